/** %XFCC_VALUE(key)%: one part of the x-forwarded-client-cert header (access logs, header values). */
import { X_FORWARDED_CLIENT_CERT } from '../../../native-free/headers/well_known.ts';
import { type OperatorTable, Syntax, truncated } from './operator.ts';

const keys = ['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns'];

/** Quotes may hold the separators, a backslash takes the meaning from what follows. */
const PART = /(?:[^";,\\]|\\.|"(?:[^"\\]|\\.)*")*/sy;

/** The first value of a key in any element; undefined without one, or when quotes do not match. */
function xfccValue(header: string, key: string): string | undefined {
  let value: string | undefined;
  for (let at = 0; at <= header.length; at++) {
    PART.lastIndex = at;
    const [part] = PART.exec(header)!;
    at += part.length;
    if (at < header.length && header[at] !== ';' && header[at] !== ',') return undefined;
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (value === undefined && name === key) value = equals < 0 ? '' : unquoted(part.slice(equals + 1).trim());
  }
  return value;
}

function unquoted(value: string): string {
  const inner = value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  return inner.replace(/\\(["\\])/g, '$1');
}

export const xfccOperators: OperatorTable = {
  XFCC_VALUE: {
    syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
    create: (params, maxLength) => {
      if (params === '') return 'XFCC_VALUE command requires a subcommand';
      const key = params.toLowerCase();
      if (!keys.includes(key)) return `XFCC_VALUE command does not support subcommand: ${key}`;
      return truncated(({ request }) => {
        const header = request?.headers.getAll(X_FORWARDED_CLIENT_CERT);
        return header === undefined || header === '' ? undefined : xfccValue(header, key);
      }, maxLength);
    },
  },
};

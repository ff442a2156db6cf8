/** Values of headers to add: their format, and what may not be added or removed (route configuration, header mutation). */
import { sanitizeValue } from '../../../native-free/headers/sanitize_value.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { type FormatError, type Formatter, parseFormat, parsePieces } from './parse_format.ts';

type HeaderValueOption = envoy.config.core.v3.HeaderValueOption;

/** Wire text when the value is always the same, else its formatter, in which missing values print nothing. */
export function parseHeaderValue(header: envoy.config.core.v3.HeaderValue): string | Formatter | FormatError {
  const text = header.value === '' ? Buffer.from(header.rawValue).toString('utf8') : header.value;
  const format = currentFormat(text);
  const pieces = parsePieces(format);
  if ('error' in pieces) return pieces;
  if (pieces.every((piece) => typeof piece === 'string')) return sanitizeValue(pieces.join(''));
  const parsed = parseFormat(format, true);
  return 'error' in parsed ? parsed : parsed.formatter;
}

/** Envoy still takes two old spellings in header values: a JSON list as parameters, and PER_REQUEST_STATE. */
function currentFormat(text: string): string {
  return text
    .replace(/%(UPSTREAM|DYNAMIC)_METADATA\(\[(.*?)\]\)%/g, (_, kind: string, list: string) => {
      const keys = list.split(',').map((key) => key.trim().replace(/^"|"$/g, ''));
      return `%${kind}_METADATA(${keys.join(':')})%`;
    })
    .replace(/%PER_REQUEST_STATE\((.*?)\)%/g, '%FILTER_STATE($1:PLAIN)%');
}

/** Envoy sets these itself, and other parts of the configuration steer them: they are neither added nor removed. */
export function isProtectedHeader(name: string): boolean {
  return name.startsWith(':') || name.toLowerCase() === 'host';
}

/** Reports what the schema does not say of a header to add, in Envoy's words; `field` is below the option. */
export function checkHeaderToAdd(option: HeaderValueOption, report: (field: string, reason: string) => void): void {
  const { header, append, appendAction } = option;
  if (header === undefined) return;
  if (isProtectedHeader(header.key)) report('header.key', ':-prefixed or host headers may not be modified');
  if (append !== undefined && appendAction !== 0) {
    report('append', "Both append and append_action are set and it's not allowed");
  }
  const parsed = parseHeaderValue(header);
  if (typeof parsed !== 'string' && 'error' in parsed) report('header.value', parsed.error);
}

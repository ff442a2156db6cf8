/** Compiles a text with `%OPERATOR(params):length%` pieces, in Envoy's grammar and with its errors; never throws. */
import type { FormatContext } from '../../spi/format.ts';
import { toWire } from '../wire_string.ts';
import { celOperators } from './cel_operators.ts';
import { coalesceOperator } from './coalesce_operator.ts';
import { grpcOperators } from './grpc_operators.ts';
import { httpOperators } from './http_operators.ts';
import { metadataOperators } from './metadata_operators.ts';
import { type Operator, type OperatorSpec, Syntax } from './operator.ts';
import { streamOperators } from './stream_operators.ts';
import { timeOperators } from './time_operators.ts';
import { tlsOperators } from './tls_operators.ts';
import { unsupportedOperators } from './unsupported_operators.ts';
import { wireOperators } from './wire_operators.ts';
import { xfccOperators } from './xfcc_operators.ts';

/** Gives the text of one entry or value: one character a byte (see `toWire`). */
export interface Formatter {
  format(context: FormatContext): string;
}

/** `position` is the index in the text where the faulty operator begins. */
export interface FormatError {
  readonly error: string;
  readonly position: number;
}

/** A literal is wire text; everything else is asked for each time. */
export type FormatPiece = string | Operator;

const operators = new Map<string, OperatorSpec>(
  [
    streamOperators,
    httpOperators,
    timeOperators,
    tlsOperators,
    metadataOperators,
    grpcOperators,
    wireOperators,
    celOperators,
    xfccOperators,
  ].flatMap((table) => Object.entries(table)),
);

operators.set('COALESCE', coalesceOperator(createOperator));

const COMMAND = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]{1,18}))?%/y;

/** Envoy's default access log entry, for HTTP and TCP. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Missing values print `-`, or nothing with `omitEmptyValues`. */
export function parseFormat(text: string, omitEmptyValues = false): { formatter: Formatter } | FormatError {
  const pieces = parsePieces(text);
  return 'error' in pieces ? pieces : { formatter: new TextFormatter(pieces, omitEmptyValues ? '' : '-') };
}

/** Throws what validation refuses. */
export function compileFormat(text: string, omitEmptyValues = false): Formatter {
  const parsed = parseFormat(text, omitEmptyValues);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.formatter;
}

/** The pieces of a format, neighbouring literals joined. */
export function parsePieces(text: string): FormatPiece[] | FormatError {
  const pieces: FormatPiece[] = [];
  let literal = '';
  for (let at = 0; at < text.length; ) {
    const percent = text.indexOf('%', at);
    if (percent < 0) {
      literal += text.slice(at);
      break;
    }
    literal += text.slice(at, percent);
    if (text[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    COMMAND.lastIndex = percent;
    const match = COMMAND.exec(text);
    if (match === null) {
      const error = `Incorrect configuration: ${text}. Couldn't find valid command at position ${percent}`;
      return { error, position: percent };
    }
    const operator = createOperator(match[1], match[2] ?? '', match[3] === undefined ? undefined : Number(match[3]));
    if (typeof operator === 'string') return { error: operator, position: percent };
    if (literal !== '') pieces.push(toWire(literal));
    literal = '';
    pieces.push(operator);
    at = COMMAND.lastIndex;
  }
  if (literal !== '') pieces.push(toWire(literal));
  return pieces;
}

function createOperator(name: string, params: string, maxLength: number | undefined): Operator | string {
  const spec = operators.get(name);
  if (spec === undefined) {
    const reason = unsupportedOperators.get(name);
    if (reason !== undefined) return `%${name}% is not supported: ${reason}`;
    return `Not supported field in StreamInfo: ${name}`;
  }
  if (spec.syntax === Syntax.commandOnly && (params !== '' || maxLength !== undefined)) {
    return `${name} does not take any parameters or length`;
  }
  if ((spec.syntax & Syntax.paramsRequired) !== 0 && params === '') return `${name} requires parameters`;
  if ((spec.syntax & Syntax.lengthAllowed) === 0 && maxLength !== undefined) {
    return `${name} does not allow length to be specified.`;
  }
  return spec.create(params, maxLength);
}

/** One literal before each operator and one behind the last: a format is one loop without a test a piece. */
class TextFormatter implements Formatter {
  private readonly missing: string;
  private readonly literals: string[] = [''];
  private readonly operators: Operator[] = [];

  constructor(pieces: readonly FormatPiece[], missing: string) {
    this.missing = missing;
    for (const piece of pieces) {
      if (typeof piece === 'string') this.literals[this.literals.length - 1] += piece;
      else {
        this.operators.push(piece);
        this.literals.push('');
      }
    }
  }

  format(context: FormatContext): string {
    const { literals, operators, missing } = this;
    let text = literals[0];
    for (let i = 0; i < operators.length; i++) text += (operators[i].text(context) ?? missing) + literals[i + 1];
    return text;
  }
}

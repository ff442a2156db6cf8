/** Every way a message can be refused by the HTTP/2 codec; response code details and counters are Envoy's. */
import { ErrorCode, type Http2Error } from '../codec.ts';

/** For these Envoy closes the connection, unless `streamErrorOnInvalidMessage` is set. */
const MALFORMED = 'rx_messaging_error';

function refuse(code: ErrorCode, details: string, counter: string, reason: string): Http2Error {
  return Object.freeze({ code, details, counter, reason });
}

function badField(reason: string): Http2Error {
  return refuse(ErrorCode.ProtocolError, 'http2.invalid.header.field', MALFORMED, reason);
}

function badMessage(reason: string): Http2Error {
  return refuse(ErrorCode.ProtocolError, 'http2.violation.of.messaging.rule', MALFORMED, reason);
}

/** Envoy ends only the stream, with this code. */
function overLimit(details: string, counter: string, reason: string): Http2Error {
  return refuse(ErrorCode.InternalError, details, counter, reason);
}

export const ERRORS = {
  // Fields
  fieldName: badField('field name is not a lower-case token'),
  fieldValue: badField('field value holds a control character'),
  pseudoOrder: badField('pseudo-header field behind a regular one'),
  pseudoUnknown: badField('pseudo-header field that does not belong in this message'),
  pseudoTwice: badField('pseudo-header field more than once'),
  pseudoValue: badField('pseudo-header field without a value'),
  connectionSpecific: badField('field that HTTP/2 does not have'),
  te: badField('te other than trailers'),
  method: badField('method is not a token'),
  scheme: badField('scheme is not one'),
  path: badField('path holds a space or tab'),
  authority: badField('authority or host holds a character that no authority has'),
  hostTwice: badField('more than one host'),
  status: badField('status is not three digits from 100 on, or 101'),
  contentLength: badField('content-length is not one decimal number below 2^53'),
  bodilessLength: badField('content-length on a status without a body'),

  // Messages
  pseudoMissing: badMessage('pseudo-header fields are not those of such a message'),
  pathForm: badMessage('path is neither absolute nor `*` of OPTIONS'),
  endlessTrailers: badMessage('trailers without END_STREAM'),
  endedInformational: badMessage('informational response with END_STREAM'),
  lengthWithoutBody: badMessage('content-length of a message that ends with its head'),
  /** The trailers came too early. */
  trailersBeforeEnd: badMessage('trailers before as much body as content-length says'),
  /** DATA that does not fit ends the stream alone. */
  bodyLength: refuse(ErrorCode.ProtocolError, 'http2.remote_reset', '', 'body is not as long as content-length says'),

  // Limits
  underscore: overLimit(
    'http2.unexpected_underscore',
    'requests_rejected_with_underscores_in_headers',
    'field name holds an underscore',
  ),
  tooManyHeaders: overLimit('http2.too_many_headers', 'header_overflow', 'fields exceed the limit of their number'),
  headersTooLarge: overLimit(
    'http2.header_list_size_too_large',
    'header_list_size_too_large',
    'fields exceed the limit of their bytes',
  ),
} as const satisfies Record<string, Http2Error>;

/** Tells a refusal from what a reader's `finish` answers otherwise. */
export function isHttp2Error(result: object): result is Http2Error {
  return 'code' in result;
}

/** Whether the message is malformed (RFC 9113 section 8.1.1), not just more than we take. */
export function isMalformed(error: Http2Error): boolean {
  return error.counter === MALFORMED;
}

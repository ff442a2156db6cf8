/** Every way a message can be refused by the HTTP/1 codec: status and response code details are Envoy's. */
import type { CodecError } from './codec.ts';

function refuse(status: number, details: string, reason: string): CodecError {
  return Object.freeze({ status, details, reason });
}

/** What Envoy calls a codec error: 400 without a finer detail. */
function malformed(reason: string): CodecError {
  return refuse(400, 'http1.codec_error', reason);
}

export const ERRORS = {
  // Start line
  method: malformed('method is not a registered one'),
  requestLine: malformed('request line is not `method target version`'),
  target: malformed('request target holds a byte that must be escaped'),
  controlInTarget: refuse(400, 'http1.invalid_characters', 'request target holds a control character'),
  relativeTarget: malformed('request target is neither a path, nor `*`, nor an absolute URL'),
  version: malformed('version is not HTTP/digit.digit'),
  lowVersion: refuse(426, 'low_version', 'version is not HTTP/1.1'),
  statusLine: malformed('status line is not `HTTP/1.x` and three digits'),
  invalidUrl: refuse(400, 'http1.invalid_url', 'authority of the request target is not a host and port'),
  invalidScheme: refuse(400, 'http1.invalid_scheme', 'scheme of the request target is neither http nor https'),
  httpsInPlaintext: refuse(403, 'http1.https_url_on_plaintext_connection', 'https URL on a connection without TLS'),

  // Fields
  fieldName: malformed('header line without a colon behind a token'),
  nulInName: refuse(400, 'http1.invalid_characters', 'header name holds NUL'),
  obsoleteFold: malformed('header line starts with a space or tab'),
  fieldValue: refuse(400, 'http1.invalid_characters', 'header value holds a control character'),
  bareCarriageReturn: malformed('CR without LF'),
  bareLineFeed: malformed('LF without CR among the trailers'),
  underscore: refuse(400, 'http1.unexpected_underscore', 'header name holds an underscore'),
  headersTooLarge: refuse(431, 'http1.headers_too_large', 'start line and headers exceed the limit of bytes'),
  tooManyHeaders: refuse(431, 'http1.too_many_headers', 'headers exceed the limit of fields'),
  duplicateHost: malformed('more than one Host'),
  invalidHost: refuse(400, 'http.invalid_authority', 'Host holds a character that no authority has'),
  nominatedHeader: refuse(400, 'http1.connection_header_rejected', 'Connection names a header it must not remove'),

  // Framing
  contentLength: malformed('Content-Length is not one decimal number below 2^53'),
  lengthAndEncoding: refuse(
    400,
    'http1.content_length_and_chunked_not_allowed',
    'both Content-Length and Transfer-Encoding are present',
  ),
  transferEncoding: refuse(501, 'http1.invalid_transfer_encoding', 'Transfer-Encoding is not exactly `chunked`'),
  encodingInHttp10: malformed('Transfer-Encoding in an HTTP/1.0 message'),
  connectBody: refuse(400, 'http1.body_disallowed', 'CONNECT with a body'),
  bodilessLength: refuse(400, 'http1.content_length_not_allowed', 'Content-Length on a status without a body'),
  bodilessEncoding: refuse(400, 'http1.transfer_encoding_not_allowed', 'Transfer-Encoding on a status without a body'),

  // Body
  chunkSize: malformed('chunk size is not a hexadecimal number below 2^53'),
  chunkExtension: malformed('chunk extension holds a control character'),
  chunkLineTooLong: malformed('chunk line or extensions exceed the limit of bytes'),
  chunkEnd: malformed('chunk data is not followed by CRLF'),
  truncated: malformed('connection ended inside a message'),

  // Responses
  unaskedUpgrade: malformed('101 without a request to upgrade'),
  tooManyInformational: malformed('too many informational responses'),
} as const satisfies Record<string, CodecError>;

/** The same refusal on the upstream side, where every one is a bad gateway. */
export function asBadGateway(error: CodecError): CodecError {
  return { status: 502, details: error.details, reason: error.reason };
}

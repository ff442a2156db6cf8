/** Step 4 of a request's path: the server side of the HTTP/1 codec, from a connection's bytes to heads, bodies and trailers. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap } from '../headers/header_map.ts';
import { CONTENT_LENGTH, HTTP2_SETTINGS, UPGRADE } from '../headers/well_known.ts';
import { CR, LF } from './characters.ts';
import type { CodecError, RequestDecoderEvents, RequestDecoderOptions } from './codec.ts';
import { ERRORS } from './codec_errors.ts';
import { connectionOptions, NO_CONNECTION_OPTIONS } from './connection_options.ts';
import { receivedRequestFraming } from './framing.ts';
import { MessageDecoder } from './message_decoder.ts';
import { RequestLine } from './request_line.ts';
import { parseTarget, type RequestTarget } from './request_target.ts';

/**
 * Requests one after the other, pipelined ones too; to take them one at a time, set `paused` in a call.
 * `onMessageComplete` follows the head within the same `decode` when there is no body, paused or not. After a request that
 * is not `keepAlive` further bytes are dropped. For CONNECT and upgrades (`upgrade` is set) the caller calls `startUpgrade()`
 * at the head: what follows then is no message of HTTP. `contentLength` is -1 without a Content-Length; one of 0 gives framing `none`.
 */
export class Http1RequestDecoder extends MessageDecoder {
  /** What the request of the current `onRequestHead` wants to become: the protocol in Upgrade, `CONNECT`, or empty. */
  upgrade = '';
  /** The latest head was read as one of HTTP/1.0, which the options allow; known also when it was refused. */
  http10 = false;
  /** An absolute URL of scheme https is refused. */
  refusesHttpsUrl = false;
  private readonly events: RequestDecoderEvents;
  private readonly requestOptions: RequestDecoderOptions;
  private readonly line: RequestLine;
  private keepAlive = true;
  private upgraded = false;

  constructor(events: RequestDecoderEvents, options: RequestDecoderOptions) {
    const line = new RequestLine(options.allowCustomMethods === true);
    super(events, options, line, options.headersWithUnderscores);
    this.events = events;
    this.requestOptions = options;
    this.line = line;
  }

  /**
   * All further bytes are handed on as `onBody`, whatever the head said of a body: a tunnel, or the protocol upgraded to.
   * Called in `onRequestHead` it leaves out `onMessageComplete`.
   */
  startUpgrade(): void {
    this.upgraded = true;
    if (this.state === 'idle' || this.state === 'discard') this.state = 'tunnel';
  }

  /** RFC 9112 section 2.2: empty lines before a request are skipped; Envoy skips any CR and LF. */
  protected beginMessage(bytes: Bytes, start: number, end: number): number {
    let pos = start;
    while (pos < end && (bytes[pos] === CR || bytes[pos] === LF)) pos++;
    if (pos < end) this.beginHead();
    return pos;
  }

  protected onHead(text: string): CodecError | undefined {
    const { fields, line, requestOptions } = this;
    const { contentLength } = fields;
    const headers = fields.take(text);
    const { method } = line;
    const http10 = line.version !== 11;
    this.http10 = http10 && requestOptions.acceptHttp10;
    const framing = receivedRequestFraming(method, fields);
    if (typeof framing !== 'string') return framing;
    const connection = fields.connection ? connectionOptions(headers) : NO_CONNECTION_OPTIONS;
    if (connection.rejected) return ERRORS.nominatedHeader;

    let path = text.substring(line.targetStart, line.targetEnd);
    let authority = fields.hosts > 0 && !connection.host ? text.substring(fields.hostStart, fields.hostEnd) : '';
    let scheme = '';
    if (text.charCodeAt(line.targetStart) !== 0x2f || method === 'CONNECT') {
      const target = parseTarget(method, path, requestOptions.allowAbsoluteUrl);
      if (isError(target)) return target;
      path = target.path;
      authority = target.authority ?? authority;
      scheme = target.scheme;
      if (scheme === 'https' && this.refusesHttpsUrl) return ERRORS.httpsInPlaintext;
    }

    const error = this.versionOrHostError(http10);
    if (error !== undefined) return error;
    if (http10 && authority === '') authority = requestOptions.defaultHostForHttp10;
    if (method === 'CONNECT') headers.remove(CONTENT_LENGTH);

    this.upgrade = method === 'CONNECT' ? method : connection.upgrade && !http10 ? upgradeOf(headers) : '';
    this.keepAlive = !connection.close && (!http10 || connection.keepAlive);
    const protocol = http10 ? 'HTTP/1.0' : 'HTTP/1.1';
    const head = { method, path, authority, scheme, protocol, headers } as const;
    this.events.onRequestHead(head, framing, contentLength, this.keepAlive);
    if (this.upgraded) this.state = 'tunnel';
    else this.beginBody(framing, contentLength);
    return undefined;
  }

  protected stateAfterMessage(): 'idle' | 'tunnel' | 'discard' {
    if (this.upgraded) return 'tunnel';
    return this.keepAlive ? 'idle' : 'discard';
  }

  protected scoped(error: CodecError): CodecError {
    return error;
  }

  private versionOrHostError(http10: boolean): CodecError | undefined {
    // As in Envoy, any other version is taken for HTTP/1.0.
    if (http10 && !this.requestOptions.acceptHttp10) return ERRORS.lowVersion;
    if (http10 && this.fields.codings > 0) return ERRORS.encodingInHttp10;
    if (this.fields.hosts > 1) return ERRORS.duplicateHost;
    return this.fields.hostValid ? undefined : ERRORS.invalidHost;
  }
}

/** The protocol asked for. Envoy does not offer h2c: the request is served as if it had not asked (RFC 9110 section 7.8). */
function upgradeOf(headers: HeaderMap): string {
  const protocol = headers.getAll(UPGRADE);
  if (protocol === '') return NAMELESS;
  if (protocol?.toLowerCase() !== 'h2c') return protocol ?? '';
  headers.remove(HTTP2_SETTINGS);
  return '';
}

/** An Upgrade without a protocol is one to Envoy all the same, which no configuration allows. */
const NAMELESS = ' ';

function isError(target: RequestTarget | CodecError): target is CodecError {
  return 'status' in target;
}

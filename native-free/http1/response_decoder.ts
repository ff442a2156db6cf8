/** Step 10 of a request's path: the client side of the HTTP/1 codec, from an upstream connection's bytes to one response at a time. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap } from '../headers/header_map.ts';
import { PreservedCase } from '../headers/header_spelling.ts';
import { CONTENT_LENGTH } from '../headers/well_known.ts';
import type { CodecError, ResponseDecoderEvents } from './codec.ts';
import { asBadGateway, ERRORS } from './codec_errors.ts';
import { connectionOptions, NO_CONNECTION_OPTIONS } from './connection_options.ts';
import { neverHasBody, opensTunnel, receivedResponseFraming } from './framing.ts';
import { MessageDecoder, type MessageDecoderOptions } from './message_decoder.ts';
import { StatusLine } from './status_line.ts';

export interface ResponseDecoderOptions extends MessageDecoderOptions {
  /** Keep the reason phrase, beside the names' spelling (`preserveCase` must be set). */
  forwardReason?: boolean;
}

/** Informational responses before one answer; Envoy has no bound. */
const MAX_INFORMATIONAL = 100;

/**
 * Answers to requests announced by `expect`, one at a time. `contentLength` is -1 without a Content-Length (and what it says
 * for HEAD and 304); one of 0 gives framing `none`. After CONNECT's 2xx and an expected 101 all bytes are `onBody`.
 */
export class Http1ResponseDecoder extends MessageDecoder {
  /**
   * The peer sent bytes behind an answer, or unasked: nothing more is decoded, and the connection must not be used again.
   * Already set when `onMessageComplete` is called for an answer with such bytes behind it.
   */
  surplus = false;

  private readonly events: ResponseDecoderEvents;
  private readonly line: StatusLine;
  private readonly forwardReason: boolean;
  private awaiting = false;
  private requestMethod = '';
  private mayUpgrade = false;
  private informational = 0;

  constructor(events: ResponseDecoderEvents, options: ResponseDecoderOptions) {
    const line = new StatusLine();
    super(events, options, line, 'ALLOW');
    this.events = events;
    this.line = line;
    this.forwardReason = options.forwardReason === true;
  }

  /** A request of this method is being sent; to be called before its answer's bytes are decoded. `upgrade`: 101 may come. */
  expect(requestMethod: string, upgrade = false): void {
    this.awaiting = true;
    this.requestMethod = requestMethod;
    this.mayUpgrade = upgrade;
    this.informational = 0;
  }

  protected beginMessage(_bytes: Bytes, start: number, _end: number): number {
    if (this.awaiting && !this.surplus) this.beginHead();
    else this.surplus = true;
    return start;
  }

  protected onHead(text: string): CodecError | undefined {
    const { fields, line } = this;
    const { status, http10 } = line;
    const headers = fields.take(text);
    if (this.forwardReason) this.keepReason(text, headers);
    const protocol = http10 ? 'HTTP/1.0' : 'HTTP/1.1';
    const head = { status, protocol, headers } as const;
    if (status === 101 && !this.mayUpgrade) return ERRORS.unaskedUpgrade;
    const tunnel = opensTunnel(this.requestMethod, status);
    const framing = tunnel ? 'close' : receivedResponseFraming(this.requestMethod, status, fields);
    if (typeof framing !== 'string') return framing;
    if (tunnel || neverHasBody(status)) headers.remove(CONTENT_LENGTH);

    if (status < 200 && !tunnel) {
      if (++this.informational > MAX_INFORMATIONAL) return ERRORS.tooManyInformational;
      // An end right here cuts no message: the host has gone before it answered.
      this.state = 'idle';
      this.events.onInformational(head);
      return undefined;
    }
    const { close } = fields.connection ? connectionOptions(headers) : NO_CONNECTION_OPTIONS;
    const keepAlive = !close && !http10 && framing !== 'close';
    this.events.onResponseHead(head, framing, fields.contentLength, keepAlive);
    this.beginBody(framing, fields.contentLength);
    return undefined;
  }

  private keepReason(text: string, headers: HeaderMap): void {
    headers.spelling ??= new PreservedCase(undefined);
    const spelling = headers.spelling as PreservedCase;
    spelling.reason = text.substring(this.line.reasonStart, this.line.reasonEnd);
  }

  protected stateAfterMessage(): 'idle' {
    this.awaiting = false;
    if (this.leftover) this.surplus = true;
    return 'idle';
  }

  protected scoped(error: CodecError): CodecError {
    return asBadGateway(error);
  }
}

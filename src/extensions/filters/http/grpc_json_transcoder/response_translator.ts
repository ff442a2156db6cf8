/** From the messages of an answer to JSON, or to what a google.api.HttpBody holds. */
import { MessageReader } from '../../../../../native-free/grpc/message_framing.ts';
import { readHttpBody } from './http_body.ts';
import type { TranscodedMethod } from './methods.ts';
import type { TranscoderConfig } from './transcoder_config.ts';

const unreadable = 'unexpected EOF';

export class ResponseTranslator {
  /** What cannot be read of what the host sent; empty: nothing. */
  failure = '';
  /** Of the first google.api.HttpBody. */
  contentType: string | undefined;
  private readonly method: TranscodedMethod;
  private readonly config: TranscoderConfig;
  private readonly reader: MessageReader;
  private readonly made: Uint8Array[] = [];
  private madeBytes = 0;
  private finished = false;
  private messages = 0;

  /** No message may have more bytes than `limit`. */
  constructor(method: TranscodedMethod, config: TranscoderConfig, limit: number) {
    this.method = method;
    this.config = config;
    this.reader = new MessageReader(limit);
  }

  get failed(): boolean {
    return this.failure !== '';
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.madeBytes;
  }

  /** False when a message is too long. */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    return this.reader.push(bytes, (message, flags) => this.translate(message, flags), start, end);
  }

  /** No message follows: what closes the list. */
  finish(): void {
    if (this.finished) return;
    this.finished = true;
    if (this.reader.partial) this.failure ||= 'Incomplete gRPC frame';
    const { serverStreaming, responseHttpBody } = this.method;
    if (responseHttpBody !== undefined || !serverStreaming || this.config.streamForm !== 'list') return;
    this.add(Buffer.from(this.messages === 0 ? '[]' : ']'));
  }

  take(): Buffer | undefined {
    if (this.made.length === 0) return undefined;
    this.madeBytes = 0;
    return Buffer.concat(this.made.splice(0));
  }

  private translate(message: Uint8Array, flags: number): void {
    if (this.failed) return;
    if (flags !== 0) {
      this.failure = `Unsupported gRPC frame flag: ${flags}`;
      return;
    }
    if (this.method.responseHttpBody !== undefined) this.unwrap(message);
    else this.print(message);
  }

  private unwrap(message: Uint8Array): void {
    const body = readHttpBody(this.method.responseHttpBody!, message);
    if (body === undefined) {
      this.failure = unreadable;
      return;
    }
    this.contentType ??= body.contentType;
    this.add(Buffer.from(body.data));
  }

  private print(message: Uint8Array): void {
    // Where one message is due the first one is it.
    if (this.messages > 0 && !this.method.serverStreaming) return;
    const json = this.config.printer.print(this.method.output, message);
    if (json === undefined) {
      this.failure = unreadable;
      return;
    }
    this.messages++;
    this.add(Buffer.from(this.method.serverStreaming ? this.inStream(json) : json));
  }

  private inStream(json: string): string {
    switch (this.config.streamForm) {
      case 'sse':
        return `data: ${json}\n\n`;
      case 'lines':
        return `${json}\n`;
      default:
        return (this.messages === 1 ? '[' : ',') + json;
    }
  }

  private add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.made.push(bytes);
    this.madeBytes += bytes.length;
  }
}

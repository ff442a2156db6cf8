/** Step 4 of the data path: which protocol a client's connection speaks: as configured, as agreed on by ALPN, or by its first bytes. */
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';

export type CodecType = 'AUTO' | 'HTTP1' | 'HTTP2';

/** Told once, with the first bytes; it makes the codec, which owns the connection's callbacks from then on. */
export interface CodecChoiceOwner {
  createCodec(protocol: 'HTTP1' | 'HTTP2'): void;
  onConnectionClosed(local: boolean, reason: string, active: boolean): void;
}

/** What no HTTP/1 request begins with (RFC 9113 section 3.4); the rest of the preface is for the codec to check. */
const magic = Buffer.from('PRI * HTTP/2');

export class CodecChoice implements ConnectionCallbacks {
  private readonly connection: Connection;
  private readonly owner: CodecChoiceOwner;
  private readonly codecType: CodecType;
  /** The beginning of what may become the preface. */
  private held: Buffer | undefined;

  constructor(connection: Connection, owner: CodecChoiceOwner, codecType: CodecType) {
    this.connection = connection;
    this.owner = owner;
    this.codecType = codecType;
    connection.callbacks = this;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const { connection, held } = this;
    let first = bytes;
    let from = start;
    let to = end;
    if (held !== undefined) {
      first = Buffer.concat([held, bytes.subarray(start, end)]);
      from = 0;
      to = first.length;
    }
    const protocol = this.choose(first, from, to);
    if (protocol === undefined) {
      this.held = Buffer.from(first.subarray(from, to));
      return;
    }
    this.held = undefined;
    this.owner.createCodec(protocol);
    connection.callbacks.onData(first, from, to);
  }

  onEnd(): void {
    this.connection.closeNow();
  }

  onBlocked(): void {}

  onWritable(): void {}

  onClosed(local: boolean, reason: string): void {
    this.owner.onConnectionClosed(local, reason, false);
  }

  /** Undefined: too few bytes to tell. */
  private choose(bytes: Buffer, start: number, end: number): 'HTTP1' | 'HTTP2' | undefined {
    if (this.codecType !== 'AUTO') return this.codecType;
    const alpn = this.connection.tls?.alpn ?? '';
    if (alpn !== '') return alpn === 'h2' ? 'HTTP2' : 'HTTP1';
    const seen = Math.min(end - start, magic.length);
    if (bytes.compare(magic, 0, seen, start, start + seen) !== 0) return 'HTTP1';
    return seen < magic.length ? undefined : 'HTTP2';
  }
}

/** An HTTP/2 client that sends exactly the frames it is told, well-formed or not, and keeps those that come back. */
import net from 'node:net';
import { waitFor } from './wait_for.ts';

export const Frame = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  ResetStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;

export const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 0x20 } as const;

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

export function settings(list: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(list.length * 6);
  list.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(Frame.Settings, 0, 0, payload);
}

export const settingsAck: Buffer = frame(Frame.Settings, Flag.Ack, 0);

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(Frame.WindowUpdate, 0, stream, uint32(increment));
}

export function resetStream(stream: number, code = 8): Buffer {
  return frame(Frame.ResetStream, 0, stream, uint32(code));
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header block of literal fields without indexing or Huffman coding (RFC 7541 section 6.2.2). */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(Buffer.from([0]), literal(name), literal(value));
  return Buffer.concat(parts);
}

/** A string of HPACK without Huffman coding (RFC 7541 section 5.2). */
export function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A HEADERS frame of a plain request; `more` follows the pseudo-headers. */
export function requestHeaders(
  stream: number,
  more: readonly (readonly [string, string])[] = [],
  { endStream = true, method = 'GET', path = '/' }: { endStream?: boolean; method?: string; path?: string } = {},
): Buffer {
  const pseudo = [
    [':method', method],
    [':scheme', 'http'],
    [':authority', 'test'],
    [':path', path],
  ] as const;
  const flags = Flag.EndHeaders | (endStream ? Flag.EndStream : 0);
  return frame(Frame.Headers, flags, stream, headerBlock([...pseudo, ...more]));
}

export class RawHttp2Client {
  readonly socket: net.Socket;
  readonly frames: ReceivedFrame[] = [];
  closed = false;
  /** It ended by RST, or another error, not by FIN. */
  error: NodeJS.ErrnoException | undefined;
  private rest: Buffer = Buffer.alloc(0);

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('error', (error) => {
      this.error = error;
      this.closed = true;
    });
    socket.on('end', () => {
      this.closed = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects to a port of 127.0.0.1 and sends the preface and SETTINGS, unless `start` says what else to send. */
  static async connect(port: number, start: Buffer = Buffer.concat([preface, settings()])): Promise<RawHttp2Client> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new RawHttp2Client(socket);
    client.send(start);
    return client;
  }

  send(...frames: Buffer[]): void {
    this.socket.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The frames of a type, on a stream when one is named. */
  of(type: number, stream?: number): ReceivedFrame[] {
    return this.frames.filter((entry) => entry.type === type && (stream === undefined || entry.stream === stream));
  }

  /** Waits for a frame and gives it. */
  async frame(type: number, stream?: number, withinMs = 3000): Promise<ReceivedFrame> {
    const what = `frame ${type} on stream ${stream ?? 'any'}`;
    return waitFor(what, () => this.of(type, stream)[0], { withinMs });
  }

  /** Body bytes of a stream so far. */
  body(stream: number): Buffer {
    return Buffer.concat(this.of(Frame.Data, stream).map((entry) => entry.payload));
  }

  /** The code of RST_STREAM on the stream, or undefined. */
  resetCode(stream: number): number | undefined {
    return this.of(Frame.ResetStream, stream)[0]?.payload.readUInt32BE(0);
  }

  /** Last stream identifiers and codes of all GOAWAY frames. */
  get goAways(): { last: number; code: number }[] {
    return this.of(Frame.GoAway).map(({ payload }) => ({
      last: payload.readUInt32BE(0) & 0x7fff_ffff,
      code: payload.readUInt32BE(4),
    }));
  }

  async untilClosed(withinMs = 5000): Promise<void> {
    await waitFor('close by the peer', () => this.closed, { withinMs });
  }

  private onData(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 9) {
      const end = 9 + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      this.frames.push({
        type: this.rest[3],
        flags: this.rest[4],
        stream: this.rest.readUInt32BE(5) & 0x7fff_ffff,
        payload: Buffer.from(this.rest.subarray(9, end)),
      });
      this.rest = this.rest.subarray(end);
    }
  }
}

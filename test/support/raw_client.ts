/** A TCP client that sends exactly the bytes it is told and reads what comes back, message by message or until the close. */
import net from 'node:net';
import { type HttpMessage, header, MessageBuffer, responseBody } from './http_message.ts';

export interface ClientResponse extends HttpMessage {
  status: number;
  text: string;
  get(name: string): string | undefined;
}

export class RawClient {
  readonly socket: net.Socket;
  /** The peer has sent FIN or RST. */
  closed = false;
  /** The connection ended by RST (or another error), not by FIN. */
  error: NodeJS.ErrnoException | undefined;
  /** Bytes received over the life of the connection. */
  received = 0;
  private readonly buffer = new MessageBuffer();
  private wake = (): void => {};

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.buffer.push(chunk);
      this.wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error;
      this.onClosed();
    });
    socket.on('end', () => this.onClosed());
    socket.on('close', () => this.onClosed());
  }

  /** Connects to a port of 127.0.0.1. The socket stays half open until `end()` or `destroy()`. */
  static async connect(port: number, options: Partial<net.TcpSocketConnectOpts> = {}): Promise<RawClient> {
    const socket = net.connect({ host: '127.0.0.1', allowHalfOpen: true, noDelay: true, ...options, port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawClient(socket);
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends FIN; reading goes on. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The next response; `method` is that of the request it answers. 1xx (but 101) come as responses of their own. */
  async response(method = 'GET', withinMs = 5000): Promise<ClientResponse> {
    const rule = responseBody(method);
    const message = await this.until('whole response', () => this.buffer.takeMessage(rule, this.closed), withinMs);
    return asResponse(message);
  }

  /** Everything that comes until the peer closes. */
  async untilClosed(withinMs = 5000): Promise<Buffer> {
    await this.until('close by the peer', () => this.closed, withinMs);
    return this.buffer.drain();
  }

  /** Waits for `count` unread bytes and takes all there are. */
  async bytes(count: number, withinMs = 5000): Promise<Buffer> {
    await this.until(`${count} bytes`, () => this.buffer.length >= count, withinMs);
    return this.buffer.drain();
  }

  /** True when the peer closes within the time. */
  async closes(withinMs: number): Promise<boolean> {
    return this.until('close', () => this.closed, withinMs).then(
      () => true,
      () => false,
    );
  }

  private onClosed(): void {
    this.closed = true;
    this.wake();
  }

  private until<T>(what: string, condition: () => T | undefined, withinMs: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.wake = () => {};
        const got = this.buffer.peek().toString('latin1').slice(0, 200);
        reject(new Error(`no ${what} within ${withinMs} ms; unread: ${JSON.stringify(got)}`));
      }, withinMs);
      this.wake = () => {
        try {
          const value = condition();
          if (value) {
            done();
            resolve(value);
          } else if (this.closed) {
            done();
            reject(new Error(`closed (${this.error?.code ?? 'FIN'}) before: ${what}`));
          }
        } catch (error) {
          done();
          reject(error);
        }
      };
      const done = (): void => {
        clearTimeout(timer);
        this.wake = () => {};
      };
      this.wake();
    });
  }
}

export interface RequestOptions {
  method?: string;
  host?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** One request with `connection: close` semantics left to the caller: writes the head as given, with content-length for a body. */
export function requestBytes(path: string, options: RequestOptions = {}): Buffer {
  const { method = 'GET', host = 'test', headers = {}, body } = options;
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  if (body !== undefined) head += `content-length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(body ?? '')]);
}

/** One request on a connection of its own. */
export async function request(port: number, path: string, options: RequestOptions = {}): Promise<ClientResponse> {
  const client = await RawClient.connect(port);
  try {
    client.send(requestBytes(path, options));
    return await client.response(options.method);
  } finally {
    client.destroy();
  }
}

function asResponse(message: HttpMessage): ClientResponse {
  return Object.assign(message, {
    status: Number(message.startLine.slice(9, 12)),
    text: message.body.toString('latin1'),
    get: (name: string) => header(message, name),
  });
}

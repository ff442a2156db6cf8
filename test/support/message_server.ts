/** A gRPC server of one bidirectional method for tests: takes messages, and sends what a test tells it to. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { frameMessage, MessageReader } from '../../native-free/grpc/message_framing.ts';
import { decode, encode, messageType } from '../../src/api/registry.ts';

export interface MessageStream<Received> {
  readonly path: string;
  readonly received: Received[];
  send(fields: object): void;
  end(): void;
}

/** `Received` is the shape of messages of the type `requestType`. */
export class MessageServer<Received> {
  readonly streams: MessageStream<Received>[] = [];
  private readonly server: Http2Server = createServer();
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly requestType: string;
  private readonly responseType: string;

  constructor(requestType: string, responseType: string) {
    this.requestType = requestType;
    this.responseType = responseType;
    this.server.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => this.sessions.delete(session));
    });
    this.server.on('stream', (stream: ServerHttp2Stream, headers) => this.onStream(stream, String(headers[':path'])));
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const session of this.sessions) session.destroy();
    await closed;
  }

  private onStream(stream: ServerHttp2Stream, path: string): void {
    stream.on('error', () => {});
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    const received: Received[] = [];
    const reader = new MessageReader(1 << 26);
    stream.on('data', (bytes: Buffer) => {
      reader.push(bytes, (message) => received.push(decode(this.requestType, message) as unknown as Received));
    });
    this.streams.push({
      path,
      received,
      send: (fields) => {
        const message = create(messageType(this.responseType), fields as never);
        stream.write(frameMessage(encode(this.responseType, message)));
      },
      end: () => stream.end(),
    });
  }
}

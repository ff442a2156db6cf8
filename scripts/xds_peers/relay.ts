/** Stands between a proxy and a control plane: passes their gRPC streams on and keeps what each said, in order. */
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { toJson } from '@bufbuild/protobuf';
import { MessageReader } from '../../native-free/grpc/message_framing.ts';
import { decode, messageType, registry } from '../../src/api/registry.ts';
import type { Json } from '../../test/support/bootstrap.ts';

/** A message as JSON: `DiscoveryRequest` or `DiscoveryResponse`, or those of delta. */
export interface Said {
  readonly by: 'proxy' | 'plane';
  readonly message: Json;
}

export class Relay {
  /** Since the last time it was emptied. */
  said: Said[] = [];
  private readonly planePort: number;
  private readonly server: Http2Server = createServer();
  private readonly sessions = new Set<ServerHttp2Session | ClientHttp2Session>();

  private constructor(planePort: number) {
    this.planePort = planePort;
    this.server.on('session', (session) => this.keep(session));
    this.server.on('stream', (stream: ServerHttp2Stream, headers) => this.onStream(stream, headers));
  }

  static async start(planePort: number): Promise<Relay> {
    const relay = new Relay(planePort);
    await new Promise<void>((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Resets every connection, as a control plane that is killed. */
  disconnect(): void {
    for (const session of this.sessions) session.destroy();
  }

  stop(): void {
    this.disconnect();
    this.server.close();
  }

  private keep(session: ServerHttp2Session | ClientHttp2Session): void {
    this.sessions.add(session);
    session.on('error', () => {});
    session.once('close', () => this.sessions.delete(session));
  }

  private onStream(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
    const path = String(headers[':path']);
    const kind = path.includes('/Delta') ? 'DeltaDiscovery' : 'Discovery';
    const session = connect(`http://127.0.0.1:${this.planePort}`);
    this.keep(session);
    const onward = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: false },
    );
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    for (const side of [stream, onward]) side.on('error', () => {});
    stream.once('close', () => session.destroy());
    this.note(stream, 'proxy', `${kind}Request`);
    this.note(onward, 'plane', `${kind}Response`);
    stream.pipe(onward);
    onward.pipe(stream);
  }

  private note(stream: NodeJS.ReadableStream, by: Said['by'], name: string): void {
    const reader = new MessageReader(1 << 26);
    const typeName = `envoy.service.discovery.v3.${name}`;
    stream.on('data', (bytes: Buffer) => {
      reader.push(bytes, (message) => {
        const json = toJson(messageType(typeName), decode(typeName, message), { registry }) as Json;
        if (by === 'proxy') delete json['node'];
        this.said.push({ by, message: json });
      });
    });
  }
}

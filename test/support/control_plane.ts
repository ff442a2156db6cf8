/** A control plane for tests: takes gRPC streams and answers what a test tells it to. */
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { frameMessage, MessageReader } from '../../native-free/grpc/message_framing.ts';
import type { envoy } from '../../src/api/envoy_types.ts';
import { type AnyMessage, decode, encode, messageType } from '../../src/api/registry.ts';

export type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
export type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;

export interface PlaneStream {
  readonly path: string;
  readonly headers: Record<string, unknown>;
  readonly requests: (SotwRequest | DeltaRequest)[];
  respond(fields: { typeUrl: string; version: string; nonce: string; resources: AnyMessage[] }): void;
  respondDelta(fields: {
    typeUrl: string;
    nonce: string;
    /** Without a message: there is none of this name, or one is renewed. `ttl` in seconds. */
    added?: { name: string; version: string; aliases?: string[]; message: AnyMessage | undefined; ttl?: number }[];
    removed?: string[];
  }): void;
  /** A response as it is. */
  send(message: AnyMessage): void;
  /** Whatever the bytes are: a message of gRPC, or none. */
  sendBytes(bytes: Uint8Array): void;
  /** The stream, or its whole connection, without a word. */
  reset(what: 'stream' | 'connection'): void;
  /** Ends the stream with a gRPC status. */
  end(status: number): void;
}

export class ControlPlane {
  readonly streams: PlaneStream[] = [];
  private readonly server: Http2Server;
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly onRequest: (stream: PlaneStream, request: SotwRequest | DeltaRequest) => void;

  private constructor(onRequest: (stream: PlaneStream, request: SotwRequest | DeltaRequest) => void) {
    this.onRequest = onRequest;
    this.server = createServer();
    this.server.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => this.sessions.delete(session));
    });
    this.server.on('stream', (stream: ServerHttp2Stream, headers) => this.onStream(stream, headers));
  }

  /** On a port of the loopback address, or on a UNIX socket. */
  static async start(
    onRequest: (stream: PlaneStream, request: SotwRequest | DeltaRequest) => void,
    where: number | string = 0,
  ): Promise<ControlPlane> {
    const plane = new ControlPlane(onRequest);
    await new Promise<void>((resolve, reject) => {
      plane.server.once('error', reject);
      if (typeof where === 'string') plane.server.listen(where, resolve);
      else plane.server.listen(where, '127.0.0.1', resolve);
    });
    return plane;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** As a process that is killed: every connection is reset. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const session of this.sessions) session.destroy();
    await closed;
  }

  private onStream(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
    const path = String(headers[':path']);
    const delta = path.includes('/Delta');
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    let status = 0;
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }));
    stream.on('error', () => {});
    const reader = new MessageReader(1 << 26);
    const handle: PlaneStream = {
      path,
      headers,
      requests: [],
      respond({ typeUrl, version, nonce, resources }) {
        send('envoy.service.discovery.v3.DiscoveryResponse', {
          typeUrl,
          versionInfo: version,
          nonce,
          resources: resources.map(anyOf),
        });
      },
      respondDelta({ typeUrl, nonce, added = [], removed = [] }) {
        const type = messageType('envoy.service.discovery.v3.Resource');
        send('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
          typeUrl,
          nonce,
          removedResources: removed,
          resources: added.map(({ name, version, aliases = [], message, ttl }) =>
            create(type, {
              name,
              version,
              aliases,
              resource: message && anyOf(message),
              ttl: ttl && seconds(ttl),
            } as never),
          ),
        });
      },
      send: (message) => write(message.$typeName, message),
      sendBytes(bytes) {
        if (!stream.destroyed && !stream.writableEnded) stream.write(bytes);
      },
      reset(what) {
        if (what === 'stream') stream.close(constants.NGHTTP2_INTERNAL_ERROR);
        else stream.session?.destroy();
      },
      end(code) {
        status = code;
        stream.end();
      },
    };
    const write = (typeName: string, message: AnyMessage): void => {
      if (!stream.destroyed && !stream.writableEnded) stream.write(frameMessage(encode(typeName, message)));
    };
    const send = (typeName: string, fields: object): void => {
      write(typeName, create(messageType(typeName), fields as never) as unknown as AnyMessage);
    };
    this.streams.push(handle);
    stream.on('data', (bytes: Buffer) => {
      reader.push(bytes, (message) => {
        const name = `envoy.service.discovery.v3.${delta ? 'Delta' : ''}DiscoveryRequest`;
        const request = decode(name, message) as unknown as SotwRequest | DeltaRequest;
        handle.requests.push(request);
        this.onRequest(handle, request);
      });
    });
  }
}

function seconds(value: number): unknown {
  const nanos = Math.round((value % 1) * 1e9);
  return create(messageType('google.protobuf.Duration'), { seconds: BigInt(Math.floor(value)), nanos } as never);
}

export function anyOf(message: AnyMessage): unknown {
  return create(messageType('google.protobuf.Any'), {
    typeUrl: `type.googleapis.com/${message.$typeName}`,
    value: encode(message.$typeName, message),
  } as never);
}

/** A small management server for development: serves a store over gRPC, aggregated or type by type, in either protocol. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { frameMessage, MessageReader } from '../../../native-free/grpc/message_framing.ts';
import { GrpcStatus } from '../../../native-free/grpc/status.ts';
import { logger } from '../../common/log.ts';
import { DeltaStream, type DiscoveryStream, SotwStream } from './discovery_stream.ts';
import type { ResourceStore } from './resource_store.ts';

const log = logger('config');

/** Requests name resources; no sane one is longer. */
const mostRequestBytes = 64 * 1024 * 1024;
const method = /^\/envoy\.service\.[\w.]+DiscoveryService\/(Stream|Delta)\w+$/;

export class ManagementServer {
  private readonly store: ResourceStore;
  private readonly server: Http2Server;
  private readonly sessions = new Set<ServerHttp2Session>();

  constructor(store: ResourceStore) {
    this.store = store;
    this.server = createServer();
    this.server.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', (error) => log.debug(`client: ${error.message}`));
      session.once('close', () => this.sessions.delete(session));
    });
    this.server.on('stream', (stream: ServerHttp2Stream, headers) => this.onStream(stream, String(headers[':path'])));
  }

  /** Rejects when it cannot listen. Port 0 takes a free one. */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => resolve());
    });
    this.server.on('error', (error) => log.warn(error.message));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const session of this.sessions) session.destroy();
    await closed;
  }

  private onStream(stream: ServerHttp2Stream, path: string): void {
    let status: number = GrpcStatus.Ok;
    stream.on('error', (error) => log.debug(`${path}: ${error.message}`));
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    const kind = method.exec(path)?.[1];
    if (kind === undefined) {
      status = GrpcStatus.Unimplemented;
      stream.end();
      return;
    }
    const send = (message: Uint8Array): void => {
      if (!stream.destroyed && !stream.writableEnded) stream.write(frameMessage(message));
    };
    const discovery = kind === 'Delta' ? new DeltaStream(this.store, send) : new SotwStream(this.store, send);
    const forget = this.store.onChange((typeName) => discovery.onChange(typeName));
    stream.once('close', forget);
    stream.on('end', () => stream.end());
    this.read(stream, discovery, (code) => {
      status = code;
      stream.end();
    });
  }

  private read(stream: ServerHttp2Stream, discovery: DiscoveryStream, fail: (status: number) => void): void {
    const reader = new MessageReader(mostRequestBytes);
    stream.on('data', (bytes: Buffer) => {
      try {
        const ok = reader.push(bytes, (message) => discovery.onMessage(message));
        if (!ok) fail(GrpcStatus.ResourceExhausted);
      } catch (error) {
        log.warn(`a request could not be read: ${(error as Error).message}`);
        reader.stop();
        fail(GrpcStatus.InvalidArgument);
      }
    });
  }
}

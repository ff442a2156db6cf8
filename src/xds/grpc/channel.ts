/** Control path, step 3: one HTTP/2 connection of the main thread to a control plane, and the gRPC streams on it. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { frameMessage, MessageReader } from '../../../native-free/grpc/message_framing.ts';
import { decodeGrpcMessage } from '../../../native-free/grpc/percent_encoding.ts';
import { GrpcStatus } from '../../../native-free/grpc/status.ts';
import { logger } from '../../common/log.ts';
import { CLUSTER } from '../../common/stats/layouts.ts';
import { type ControlPlaneHost, type ControlPlanes, unixPath } from '../control_plane.ts';

const log = logger('grpc');

/** A push of 10,000 clusters is some ten megabytes; nothing sane is larger than this. */
const mostMessageBytes = 512 * 1024 * 1024;
const windowBytes = 16 * 1024 * 1024;

export interface GrpcStreamCallbacks {
  onMessage(bytes: Uint8Array): void;
  /** Comes once and last, unless the stream was closed by us. */
  onClosed(status: number, message: string): void;
}

export interface GrpcStream {
  send(message: Uint8Array): void;
  /** No more will come, nothing more is wanted. */
  close(): void;
}

export interface ChannelOptions {
  readonly cluster: string;
  readonly authority: string;
  /** Sent with every stream. */
  readonly metadata: readonly (readonly [string, string])[];
}

export class GrpcChannel {
  private readonly options: ChannelOptions;
  private readonly planes: ControlPlanes;
  private session: ClientHttp2Session | undefined;
  private streams = 0;

  constructor(options: ChannelOptions, planes: ControlPlanes) {
    this.options = options;
    this.planes = planes;
  }

  /** Opens a stream; undefined when the cluster has no host to connect to at present. */
  open(method: string, callbacks: GrpcStreamCallbacks): GrpcStream | undefined {
    if (this.session?.closed === true || this.session?.destroyed === true) this.session = undefined;
    this.session ??= this.connect();
    if (this.session === undefined) return undefined;
    this.streams++;
    return new ChannelStream(this.session, this.headers(method), callbacks, () => this.onStreamGone());
  }

  private headers(method: string): Record<string, string | string[]> {
    const headers: Record<string, string | string[]> = {
      ':method': 'POST',
      ':path': method,
      ':authority': this.options.authority,
      ':scheme': this.session?.encrypted === true ? 'https' : 'http',
      te: 'trailers',
      'content-type': 'application/grpc',
      'x-envoy-internal': 'true',
    };
    for (const [name, value] of this.options.metadata) {
      const lower = name.toLowerCase();
      const present = headers[lower];
      headers[lower] = present === undefined ? value : [present, value].flat();
    }
    return headers;
  }

  /** A channel without streams keeps no connection. */
  private onStreamGone(): void {
    if (--this.streams > 0) return;
    this.session?.close();
    this.session = undefined;
  }

  private connect(): ClientHttp2Session | undefined {
    const { cluster } = this.options;
    const host = this.planes.nextHost(cluster);
    if (host === undefined) return undefined;
    log.debug(`connecting to ${host.address.text} of '${cluster}'`);
    const { stats } = host;
    const { slot } = CLUSTER;
    stats[slot.upstream_cx_total]++;
    stats[slot.upstream_cx_http2_total]++;
    stats[slot.upstream_cx_active]++;
    const socket = openSocket(host);
    const session = connect(`${host.tls === undefined ? 'http' : 'https'}://${this.options.authority}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: windowBytes, enablePush: false },
    });
    const timer = setTimeout(() => {
      stats[slot.upstream_cx_connect_timeout]++;
      session.destroy(new Error('connection timeout'));
    }, host.connectTimeout);
    let connected = false;
    session.once('connect', () => {
      connected = true;
      clearTimeout(timer);
      session.setLocalWindowSize(windowBytes);
    });
    // Each stream hears of it too, and tells its owner.
    session.on('error', (error) => log.debug(`connection to ${host.address.text}: ${error.message}`));
    const forget = () => {
      if (this.session === session) this.session = undefined;
    };
    session.on('goaway', forget);
    session.once('close', () => {
      clearTimeout(timer);
      forget();
      stats[slot.upstream_cx_active]--;
      stats[connected ? slot.upstream_cx_destroy : slot.upstream_cx_connect_fail]++;
    });
    return session;
  }
}

function openSocket({ address, tls }: ControlPlaneHost): Socket {
  const where = address.ip === '' ? { path: unixPath(address.text) } : { host: address.ip, port: address.port };
  const socket = tls === undefined ? connectTcp(where) : connectTls({ ...tls, ...where, ALPNProtocols: ['h2'] });
  socket.setNoDelay(true);
  socket.on('error', () => {}); // the session tells
  return socket;
}

class ChannelStream implements GrpcStream {
  private readonly stream: ClientHttp2Stream;
  private readonly callbacks: GrpcStreamCallbacks;
  private readonly onGone: () => void;
  private readonly reader = new MessageReader(mostMessageBytes);
  private status = -1;
  private message = '';
  private gone = false;

  constructor(
    session: ClientHttp2Session,
    headers: Record<string, string | string[]>,
    callbacks: GrpcStreamCallbacks,
    onGone: () => void,
  ) {
    this.callbacks = callbacks;
    this.onGone = onGone;
    this.stream = session.request(headers, { endStream: false });
    this.stream.on('response', (head: IncomingHttpHeaders) => this.onHead(head));
    this.stream.on('trailers', (trailers: IncomingHttpHeaders) => this.readStatus(trailers));
    this.stream.on('data', (bytes: Buffer) => this.onData(bytes));
    this.stream.on('error', (error: Error) => {
      if (this.message === '') this.message = error.message;
    });
    // The server has said its last word: there is nothing more to send either.
    this.stream.once('end', () => this.finish());
    this.stream.once('close', () => this.finish());
  }

  send(message: Uint8Array): void {
    if (!this.gone) this.stream.write(frameMessage(message));
  }

  close(): void {
    if (this.gone) return;
    this.gone = true;
    this.stream.close(constants.NGHTTP2_CANCEL);
    this.onGone();
  }

  private onHead(head: IncomingHttpHeaders): void {
    const status = head[':status'] as unknown as number;
    this.readStatus(head);
    if (status === 200 || this.status >= 0) return;
    this.status = GrpcStatus.Unavailable;
    this.message = `HTTP status ${status}`;
  }

  private readStatus(headers: IncomingHttpHeaders): void {
    const status = headers['grpc-status'];
    if (typeof status !== 'string' || !/^\d+$/.test(status)) return;
    this.status = Number(status);
    const message = headers['grpc-message'];
    if (typeof message === 'string') this.message = decodeGrpcMessage(message);
  }

  private onData(bytes: Buffer): void {
    if (this.gone) return;
    const ok = this.reader.push(bytes, (message) => {
      if (!this.gone) this.callbacks.onMessage(message);
    });
    if (ok || this.gone) return;
    this.status = GrpcStatus.Internal;
    this.message = 'the control plane sent what is no gRPC message';
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  private finish(): void {
    if (this.gone) return;
    this.gone = true;
    if (!this.stream.destroyed) this.stream.close(constants.NGHTTP2_CANCEL);
    this.onGone();
    const status = this.status < 0 ? GrpcStatus.Unavailable : this.status;
    this.callbacks.onClosed(status, this.message);
  }
}

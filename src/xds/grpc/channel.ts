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
import { localAddress } from '../../common/local_address.ts';
import { logger } from '../../common/log.ts';
import { CLUSTER } from '../../common/stats/layouts.ts';
import { type ControlPlaneHost, type ControlPlanes, type PlaneKeepalive, unixPath } from '../control_plane.ts';

const log = logger('grpc');

/** A push of 10,000 clusters is some ten megabytes; nothing sane is larger than this. */
const mostMessageBytes = 512 * 1024 * 1024;
const windowBytes = 16 * 1024 * 1024;

export interface GrpcStreamCallbacks {
  /** Throws when it cannot be read: the stream then ends. */
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
  /** x-envoy-internal and x-forwarded-for. */
  readonly envoyHeaders: boolean;
}

/** Who counts the streams of a channel by the gRPC status they end with. */
export interface StreamCounter {
  onStreamOpened(): void;
  onStreamClosed(status: number): void;
}

export class GrpcChannel {
  private readonly options: ChannelOptions;
  private readonly planes: ControlPlanes;
  private session: ClientHttp2Session | undefined;
  /** The connection is over TLS. */
  private secure = false;
  private streams = 0;
  private readonly counter: StreamCounter | undefined;

  constructor(options: ChannelOptions, planes: ControlPlanes, counter?: StreamCounter) {
    this.options = options;
    this.planes = planes;
    this.counter = counter;
  }

  /** Opens a stream; undefined when the cluster has no host to connect to at present. */
  open(method: string, callbacks: GrpcStreamCallbacks): GrpcStream | undefined {
    if (this.session?.closed === true || this.session?.destroyed === true) this.session = undefined;
    this.session ??= this.connect();
    if (this.session === undefined) return undefined;
    this.streams++;
    this.counter?.onStreamOpened();
    return new ChannelStream(this.session, this.headers(method), callbacks, (status) => this.onStreamGone(status));
  }

  private headers(method: string): Record<string, string | string[]> {
    const headers: Record<string, string | string[]> = {
      ':method': 'POST',
      ':path': method,
      ':authority': this.options.authority,
      ':scheme': this.secure ? 'https' : 'http',
      te: 'trailers',
      'content-type': 'application/grpc',
    };
    if (this.options.envoyHeaders) {
      headers['x-envoy-internal'] = 'true';
      headers['x-forwarded-for'] = localAddress();
    }
    for (const [name, value] of this.options.metadata) {
      const lower = name.toLowerCase();
      const present = headers[lower];
      headers[lower] = present === undefined ? value : [present, value].flat();
    }
    return headers;
  }

  /** A channel without streams keeps no connection. */
  private onStreamGone(status: number): void {
    this.counter?.onStreamClosed(status);
    if (--this.streams > 0) return;
    this.session?.close();
    this.session = undefined;
  }

  private connect(): ClientHttp2Session | undefined {
    const { cluster } = this.options;
    const host = this.planes.nextHost(cluster);
    if (host === undefined) return undefined;
    log.debug(`connecting to ${host.address.text} of '${cluster}'`);
    this.secure = host.tls !== undefined;
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
      if (host.keepalive !== undefined) keepAlive(session, host.keepalive);
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

/** Asks by the clock whether the other side is there: a connection whose packets are dropped ends in no other way. */
function keepAlive(session: ClientHttp2Session, { interval, timeout, jitter }: PlaneKeepalive): void {
  let timer: NodeJS.Timeout;
  const schedule = () => {
    timer = setTimeout(ask, interval + (Math.random() * jitter * interval) / 100);
  };
  const ask = () => {
    timer = setTimeout(() => session.destroy(new Error('keepalive timeout')), timeout);
    session.ping((error) => {
      clearTimeout(timer);
      if (error === null && !session.destroyed) schedule();
    });
  };
  schedule();
  session.once('close', () => clearTimeout(timer));
}

function openSocket({ address, tls, tcpKeepalive }: ControlPlaneHost): Socket {
  const where = address.ip === '' ? { path: unixPath(address.text) } : { host: address.ip, port: address.port };
  const socket = tls === undefined ? connectTcp(where) : connectTls({ ...tls, ...where, ALPNProtocols: ['h2'] });
  socket.setNoDelay(true);
  if (tcpKeepalive !== undefined) socket.setKeepAlive(true, tcpKeepalive);
  socket.on('error', () => {}); // the session tells
  return socket;
}

class ChannelStream implements GrpcStream {
  private readonly stream: ClientHttp2Stream;
  private readonly callbacks: GrpcStreamCallbacks;
  private readonly onGone: (status: number) => void;
  private readonly reader = new MessageReader(mostMessageBytes);
  private status = -1;
  private message = '';
  private gone = false;

  constructor(
    session: ClientHttp2Session,
    headers: Record<string, string | string[]>,
    callbacks: GrpcStreamCallbacks,
    onGone: (status: number) => void,
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
    this.onGone(GrpcStatus.Canceled);
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

  /** What cannot be read ends the stream with INTERNAL, as in Envoy: it would wait for an answer for ever. */
  private onData(bytes: Buffer): void {
    if (this.gone) return;
    try {
      const ok = this.reader.push(bytes, (message, flags) => {
        if (flags !== 0) throw new Error('a message of the control plane is compressed');
        if (!this.gone) this.callbacks.onMessage(message);
      });
      if (!ok) throw new Error('the control plane sent what is no gRPC message');
    } catch (error) {
      if (this.gone) return;
      this.status = GrpcStatus.Internal;
      this.message = (error as Error).message;
      this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      this.finish();
    }
  }

  private finish(): void {
    if (this.gone) return;
    this.gone = true;
    if (!this.stream.destroyed) this.stream.close(constants.NGHTTP2_CANCEL);
    const status = this.status < 0 ? GrpcStatus.Unavailable : this.status;
    this.onGone(status);
    this.callbacks.onClosed(status, this.message);
  }
}

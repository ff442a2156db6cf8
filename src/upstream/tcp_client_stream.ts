/** Step 10 of the data path for CONNECT that ends here (connect_config): the payload alone, over a TCP connection of its own. */
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { now } from '../common/clock.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import type { Address, ConnectionInfo, TlsInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { ConnectionOwner } from './address_race.ts';
import type { CircuitBreaker } from './circuit_breaker.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from './client_stream.ts';
import type { Cluster } from './cluster.ts';
import { connectFailure } from './connect_error.ts';
import type { Host } from './host.ts';
import { proxyProtocolStateOf } from './proxy_protocol.ts';

const noBytes = Buffer.alloc(0);
/** Reads this long mean that a body streams: the next ones go to a private buffer. */
const bulkRead = 16 * 1024;

/** Connects, and sends `preface` before the payload; as with a pool, `onPoolReady` or `onPoolFailure` follows. The host has accepted when it is connected. */
export function openTcpStream(
  cluster: Cluster,
  host: Host,
  breaker: CircuitBreaker,
  callbacks: PoolCallbacks,
  client?: ConnectionInfo,
  preface?: Buffer,
): PendingStream | undefined {
  if (breaker.tryConnection()) return new TcpClientStream(cluster, host, breaker, callbacks, client, preface);
  cluster.stats[CLUSTER.slot.upstream_cx_overflow]++;
  callbacks.onPoolFailure('overflow', '', host);
  return undefined;
}

class TcpClientStream implements ClientStream, PendingStream, ConnectionOwner {
  readonly host: Host;
  /** Envoy has none for bytes that are not HTTP. */
  readonly protocol = undefined;
  private readonly cluster: Cluster;
  private readonly breaker: CircuitBreaker;
  connection: Connection;
  private readonly connectTimer: Timer;
  private readonly openedAt = now;
  private receiver: PoolCallbacks | undefined;
  private readonly preface: Buffer | undefined;
  private connected = false;
  private timedOut = false;

  constructor(
    cluster: Cluster,
    host: Host,
    breaker: CircuitBreaker,
    callbacks: PoolCallbacks,
    client: ConnectionInfo | undefined,
    preface: Buffer | undefined,
  ) {
    const { slot } = CLUSTER;
    this.preface = preface;
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
    this.receiver = callbacks;
    cluster.stats[slot.upstream_cx_total]++;
    cluster.stats[slot.upstream_cx_active]++;
    host.stats[HOST.slot.cx_total]++;
    host.stats[HOST.slot.cx_active]++;
    this.connectTimer = new Timer(this, 0);
    this.connectTimer.start(cluster.connectTimeout);
    const downstream = client !== undefined && cluster.tellsClients ? proxyProtocolStateOf(client) : undefined;
    this.connection = cluster.connectTo(host, this, { downstream });
  }

  get connectionId(): number {
    return this.connection.id;
  }

  get localAddress(): Address {
    return this.connection.localAddress;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  /** The head stays here: it is answered as soon as there is a connection to speak for. */
  sendHeaders(_head: RequestHead, endStream: boolean): void {
    const { connection, preface } = this;
    if (preface !== undefined) connection.writeBytes(preface, 0, preface.length);
    if (endStream) connection.shutdownWrite();
    this.receiver?.onResponseHeaders({ status: 200, protocol: 'HTTP/1.1', headers: new HeaderMap() }, false);
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.connection.writeBytes(bytes, start, end);
    if (endStream) this.connection.shutdownWrite();
  }

  sendTrailers(): void {
    this.connection.shutdownWrite();
  }

  cancel(): void {
    this.receiver = undefined;
    if (this.connected) this.connection.closeAfterFlush(0);
    else this.connection.closeNow();
  }

  pauseResponse(): void {
    this.connection.pauseReading();
  }

  resumeResponse(): void {
    this.connection.resumeReading();
  }

  onTimer(): void {
    this.timedOut = true;
    this.connection.closeNow();
  }

  // === ConnectionCallbacks ===

  onConnected(): void {
    const { cluster, host } = this;
    this.connected = true;
    this.connectTimer.stop();
    cluster.connectTime.record(now - this.openedAt);
    cluster.stats[CLUSTER.slot.upstream_rq_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_active]++;
    host.stats[HOST.slot.rq_total]++;
    host.stats[HOST.slot.rq_active]++;
    this.receiver?.onPoolReady(this);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.connection.bulk = end - start >= bulkRead;
    this.receiver?.onResponseData(bytes, start, end, false);
  }

  onEnd(): void {
    const { receiver } = this;
    this.receiver = undefined;
    receiver?.onResponseData(noBytes, 0, 0, true);
    this.connection.closeAfterFlush(0);
  }

  onBlocked(): void {
    this.receiver?.onStreamBlocked();
  }

  onWritable(): void {
    this.receiver?.onStreamWritable();
  }

  onClosed(local: boolean, reason: string): void {
    const { stats } = this.cluster;
    const { slot } = CLUSTER;
    const { receiver, host } = this;
    this.receiver = undefined;
    this.connectTimer.stop();
    this.breaker.releaseConnection();
    stats[slot.upstream_cx_active]--;
    host.stats[HOST.slot.cx_active]--;
    if (this.connected) {
      stats[slot.upstream_rq_active]--;
      host.stats[HOST.slot.rq_active]--;
      stats[slot.upstream_cx_destroy]++;
      stats[local ? slot.upstream_cx_destroy_local : slot.upstream_cx_destroy_remote]++;
      this.cluster.connectionLength.record(now - this.openedAt);
      receiver?.onStreamReset('connection termination', '');
      return;
    }
    if (receiver === undefined) return;
    stats[slot.upstream_cx_connect_fail]++;
    host.stats[HOST.slot.cx_connect_fail]++;
    if (this.timedOut) stats[slot.upstream_cx_connect_timeout]++;
    if (this.timedOut) receiver.onPoolFailure('connection timeout', '', host);
    else {
      const failure = connectFailure(this.connection, reason, host.address);
      receiver.onPoolFailure(failure.reason, failure.detail, host);
    }
  }
}

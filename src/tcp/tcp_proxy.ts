/** The data path without HTTP: bytes between a client's connection and one to a host, each side paused by the other. */
import { now, wallNow } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { CLUSTER, HOST, TCP } from '../common/stats/layouts.ts';
import { type ConnectionInfo, StreamInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import type { FormatContext } from '../spi/format.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { TcpProxyConfig } from './config.ts';

const log = logger('filter');

const IdleTimeout = 0;
const ConnectTimeout = 1;
const MaxDuration = 2;

/** Reads this long mean that a body streams: the next ones go to a private buffer. */
const bulkRead = 16 * 1024;

export class TcpProxy implements ConnectionCallbacks, FormatContext {
  readonly info: StreamInfo;
  readonly request = undefined;
  readonly response = undefined;
  readonly responseTrailers = undefined;
  readonly localReplyBody = '';
  private readonly config: TcpProxyConfig;
  private readonly downstream: Connection;
  private readonly onGone: () => void;
  private cluster: Cluster | undefined;
  private upstream: UpstreamSide | undefined;
  private attempts = 0;
  private ended = false;
  private paused = true;
  private over = false;
  private lastActivity = now;
  private readonly idleTimer: Timer;
  private readonly connectTimer: Timer;
  private readonly durationTimer: Timer;

  constructor(config: TcpProxyConfig, downstream: Connection, info: ConnectionInfo, onGone: () => void) {
    this.config = config;
    this.downstream = downstream;
    this.onGone = onGone;
    this.info = new StreamInfo(info, wallNow(), now);
    this.info.remoteAddress = info.remoteAddress;
    this.idleTimer = new Timer(this, IdleTimeout);
    this.connectTimer = new Timer(this, ConnectTimeout);
    this.durationTimer = new Timer(this, MaxDuration);
    config.stats[TCP.slot.downstream_cx_total]++;
    downstream.callbacks = this;
    downstream.counters = {
      stats: config.stats,
      received: TCP.slot.downstream_cx_rx_bytes_total,
      sent: TCP.slot.downstream_cx_tx_bytes_total,
    };
    downstream.pauseReading();
    if (config.maxConnectionDuration > 0) this.durationTimer.start(config.maxConnectionDuration);
    this.connect();
  }

  /** Ends both sides. */
  close(): void {
    this.downstream.closeNow();
  }

  // === the client's side ===

  onData(bytes: Buffer, start: number, end: number): void {
    this.lastActivity = now;
    this.info.bytesReceived += end - start;
    this.downstream.bulk = end - start >= bulkRead;
    this.upstream?.connection.writeBytes(bytes, start, end);
  }

  onEnd(): void {
    this.ended = true;
    this.info.lastDownstreamByteReceived = now;
    if (this.upstream === undefined || this.upstream.ended) this.downstream.closeAfterFlush(0);
    else this.upstream.connection.shutdownWrite();
  }

  onBlocked(): void {
    this.config.stats[TCP.slot.downstream_flow_control_paused_reading_total]++;
    this.upstream?.connection.pauseReading();
  }

  onWritable(): void {
    this.config.stats[TCP.slot.downstream_flow_control_resumed_reading_total]++;
    this.upstream?.connection.resumeReading();
  }

  onClosed(local: boolean, reason: string): void {
    if (this.over) return;
    this.over = true;
    this.idleTimer.stop();
    this.connectTimer.stop();
    this.durationTimer.stop();
    const { upstream } = this;
    this.upstream = undefined;
    if (upstream !== undefined) {
      if (reason === '') upstream.connection.closeAfterFlush(0);
      else upstream.connection.closeNow();
    }
    if (log.debugOn)
      log.debug(`${connectionTag(this.downstream.id)}TCP proxy ended ${local ? 'by us' : 'by the client'} ${reason}`);
    this.info.endMonotonic = now;
    for (const accessLogger of this.config.accessLoggers) accessLogger.log(this);
    this.onGone();
  }

  onTimer(kind: number): void {
    if (kind === IdleTimeout) this.onIdle();
    else if (kind === ConnectTimeout) this.upstream?.onConnectTimeout();
    else {
      this.config.stats[TCP.slot.max_downstream_connection_duration]++;
      this.downstream.closeAfterFlush(0);
    }
  }

  // === the host's side ===

  onUpstreamConnected(side: UpstreamSide): void {
    this.connectTimer.stop();
    this.info.upstreamLocalAddress = side.connection.localAddress;
    this.info.upstreamConnectionId = side.connection.id;
    if (this.config.idleTimeout > 0) this.idleTimer.start(this.config.idleTimeout);
    this.lastActivity = now;
    this.resumeDownstream();
    if (this.ended) side.connection.shutdownWrite();
  }

  onUpstreamData(bytes: Buffer, start: number, end: number): void {
    this.lastActivity = now;
    this.info.bytesSent += end - start;
    this.downstream.writeBytes(bytes, start, end);
  }

  onUpstreamEnd(): void {
    if (this.ended) this.downstream.closeAfterFlush(0);
    else this.downstream.shutdownWrite();
  }

  pauseDownstream(): void {
    if (this.paused) return;
    this.paused = true;
    this.downstream.pauseReading();
  }

  resumeDownstream(): void {
    if (!this.paused) return;
    this.paused = false;
    this.downstream.resumeReading();
  }

  /** The connection to the host is gone: before it was made another host may be tried. */
  onUpstreamClosed(connected: boolean, timedOut: boolean, reason: string): void {
    this.upstream = undefined;
    this.connectTimer.stop();
    if (this.over) return;
    if (connected) {
      if (reason === '') this.downstream.closeAfterFlush(0);
      else this.downstream.reset();
      return;
    }
    this.info.setFlag(ResponseFlag.UpstreamConnectionFailure);
    this.info.upstreamTransportFailureReason = timedOut ? 'connection_timeout' : reason;
    if (this.attempts < this.config.maxConnectAttempts) {
      this.connect();
      return;
    }
    this.cluster!.stats[CLUSTER.slot.upstream_cx_connect_attempts_exceeded]++;
    this.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    this.refuse();
  }

  private connect(): void {
    const { config, info } = this;
    const cluster = config.clusters.get(config.chooseCluster());
    if (cluster === undefined) {
      config.stats[TCP.slot.downstream_cx_no_route]++;
      info.setFlag(ResponseFlag.NoClusterFound);
      this.refuse();
      return;
    }
    this.cluster = cluster;
    info.upstreamCluster = cluster.name;
    if (!cluster.breaker.tryConnection()) {
      cluster.stats[CLUSTER.slot.upstream_cx_overflow]++;
      info.setFlag(ResponseFlag.UpstreamOverflow);
      this.refuse();
      return;
    }
    const host = cluster.chooseHost();
    if (host === undefined) {
      cluster.breaker.releaseConnection();
      cluster.stats[CLUSTER.slot.upstream_cx_none_healthy]++;
      info.setFlag(ResponseFlag.NoHealthyUpstream);
      this.refuse();
      return;
    }
    this.attempts++;
    info.upstreamHost = host;
    info.upstreamRequestAttemptCount = this.attempts;
    this.connectTimer.start(cluster.connectTimeout);
    this.upstream = new UpstreamSide(this, cluster, host);
  }

  /** The client gets a reset, as from Envoy: there is no way to tell it more. */
  private refuse(): void {
    this.downstream.reset();
  }

  private onIdle(): void {
    const left = this.lastActivity + this.config.idleTimeout - now;
    if (left > 0) {
      this.idleTimer.start(left);
      return;
    }
    this.config.stats[TCP.slot.idle_timeout]++;
    this.downstream.closeAfterFlush(0);
  }
}

/** The connection to a host, and what its cluster counts of it. */
class UpstreamSide implements ConnectionCallbacks {
  readonly connection: Connection;
  ended = false;
  private readonly proxy: TcpProxy;
  private readonly cluster: Cluster;
  private readonly host: Host;
  private readonly openedAt = now;
  private connected = false;
  private timedOut = false;

  constructor(proxy: TcpProxy, cluster: Cluster, host: Host) {
    this.proxy = proxy;
    this.cluster = cluster;
    this.host = host;
    cluster.stats[CLUSTER.slot.upstream_cx_total]++;
    cluster.stats[CLUSTER.slot.upstream_cx_active]++;
    host.stats[HOST.slot.cx_total]++;
    host.stats[HOST.slot.cx_active]++;
    this.connection = cluster.connectTo(host, this);
  }

  onConnectTimeout(): void {
    this.timedOut = true;
    this.connection.closeNow();
  }

  onConnected(): void {
    this.connected = true;
    this.cluster.connectTime.record(now - this.openedAt);
    this.proxy.onUpstreamConnected(this);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.connection.bulk = end - start >= bulkRead;
    this.proxy.onUpstreamData(bytes, start, end);
  }

  onEnd(): void {
    this.ended = true;
    this.proxy.onUpstreamEnd();
  }

  onBlocked(): void {
    this.proxy.pauseDownstream();
  }

  onWritable(): void {
    this.proxy.resumeDownstream();
  }

  onClosed(local: boolean, reason: string): void {
    const { stats } = this.cluster;
    const { slot } = CLUSTER;
    this.cluster.breaker.releaseConnection();
    stats[slot.upstream_cx_active]--;
    this.host.stats[HOST.slot.cx_active]--;
    if (this.connected) {
      stats[slot.upstream_cx_destroy]++;
      stats[local ? slot.upstream_cx_destroy_local : slot.upstream_cx_destroy_remote]++;
      this.cluster.connectionLength.record(now - this.openedAt);
    } else if (this.timedOut || !local) {
      stats[slot.upstream_cx_connect_fail]++;
      this.host.stats[HOST.slot.cx_connect_fail]++;
      if (this.timedOut) stats[slot.upstream_cx_connect_timeout]++;
    }
    this.proxy.onUpstreamClosed(this.connected, this.timedOut, reason);
  }
}

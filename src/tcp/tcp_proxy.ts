/** The data path without HTTP: bytes between a client's connection and one to a host, each side paused by the other. */
import { AccessLogType } from '../api/enums.ts';
import { now, wallNow } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { CLUSTER, TCP } from '../common/stats/layouts.ts';
import { type ConnectionInfo, StreamInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import type { FormatContext } from '../spi/format.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { ConnectMode, type TcpProxyConfig } from './config.ts';
import { bulkRead, UpstreamSide } from './upstream_side.ts';

const log = logger('filter');

/** What filters before this one may have set for the connection. */
const clusterKey = 'envoy.tcp_proxy.cluster';
const idleTimeoutKey = 'envoy.tcp_proxy.per_connection_idle_timeout_ms';

/** Envoy's numbers of why there is no host, as it prints them (and misspells the text); 0: a connection could not be made. */
const failureNumbers: Readonly<Record<number, number>> = {
  [ResponseFlag.NoHealthyUpstream]: 1,
  [ResponseFlag.UpstreamOverflow]: 2,
  [ResponseFlag.NoClusterFound]: 3,
};

const IdleTimeout = 0;
const ConnectTimeout = 1;
const MaxDuration = 2;
const BackOff = 3;
const LogInterval = 4;

export class TcpProxy implements ConnectionCallbacks, FormatContext {
  readonly info: StreamInfo;
  readonly request = undefined;
  readonly response = undefined;
  readonly responseTrailers = undefined;
  readonly localReplyBody = '';
  accessLogType: number = AccessLogType.TcpConnectionEnd;
  /** The client has sent all it will. */
  ended = false;
  private readonly config: TcpProxyConfig;
  private readonly downstream: Connection;
  private readonly client: ConnectionInfo;
  /** Milliseconds; 0: none. */
  private readonly idleTimeout: number;
  private readonly onGone: () => void;
  private cluster: Cluster | undefined;
  private upstream: UpstreamSide | undefined;
  private attempts = 0;
  private paused = false;
  private started = false;
  private over = false;
  private lastActivity = now;
  private readonly idleTimer: Timer;
  private readonly connectTimer: Timer;
  private durationTimer: Timer | undefined;
  private backOffTimer: Timer | undefined;
  private logTimer: Timer | undefined;

  constructor(config: TcpProxyConfig, downstream: Connection, info: ConnectionInfo, onGone: () => void) {
    this.config = config;
    this.downstream = downstream;
    this.onGone = onGone;
    this.info = info.stream ?? new StreamInfo(info, wallNow(), now);
    this.info.remoteAddress = info.remoteAddress;
    this.info.dynamicMetadata ??= info.dynamicMetadata;
    this.client = info;
    this.idleTimeout = (info.filterState?.get(idleTimeoutKey) as number | undefined) ?? config.idleTimeout;
    this.idleTimer = new Timer(this, IdleTimeout);
    this.connectTimer = new Timer(this, ConnectTimeout);
    config.stats[TCP.slot.downstream_cx_total]++;
    downstream.callbacks = this;
    downstream.counters = {
      stats: config.stats,
      received: TCP.slot.downstream_cx_rx_bytes_total,
      sent: TCP.slot.downstream_cx_tx_bytes_total,
      waiting: TCP.slot.downstream_cx_tx_bytes_buffered,
    };
    downstream.flushTimeout = this.idleTimeout;
    this.startTimers();
    if (config.logOnStart) this.log(AccessLogType.TcpConnectionStart);
    if (this.mayConnect()) this.connectPaused();
  }

  /** Ends both sides. */
  close(): void {
    this.downstream.closeNow();
  }

  // === the client's side ===

  /** The handshake of the client is done; others than it were waited for are nothing to us. */
  onConnected(): void {
    if (!this.started && this.config.connectMode === ConnectMode.OnDownstreamTlsHandshake) this.connectPaused();
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (!this.started) {
      // The connection keeps them until there is a host to take them.
      this.config.stats[TCP.slot.early_data_received_count_total]++;
      this.downstream.unread(bytes, start, end);
      this.connectPaused();
      return;
    }
    this.lastActivity = now;
    this.info.bytesReceived += end - start;
    this.downstream.bulk = end - start >= bulkRead;
    this.upstream?.connection.writeBytes(bytes, start, end);
    if (this.config.drain !== undefined) this.closeIfDraining();
  }

  onEnd(): void {
    this.ended = true;
    this.info.lastDownstreamByteReceived = now;
    const { upstream } = this;
    if (upstream === undefined) this.downstream.closeAfterFlush(0);
    else if (upstream.ended) {
      upstream.localEndedLast = true;
      this.downstream.closeAfterFlush(0);
    } else upstream.connection.shutdownWrite();
  }

  /** The client does not read: neither do we from the host. */
  onBlocked(): void {
    if (this.upstream === undefined) return;
    this.cluster!.stats[CLUSTER.slot.upstream_flow_control_paused_reading_total]++;
    this.upstream.connection.pauseReading();
  }

  onWritable(): void {
    if (this.upstream === undefined) return;
    this.cluster!.stats[CLUSTER.slot.upstream_flow_control_resumed_reading_total]++;
    this.upstream.connection.resumeReading();
  }

  onClosed(local: boolean, reason: string): void {
    if (this.over) return;
    this.over = true;
    this.stopTimers();
    const { upstream } = this;
    this.upstream = undefined;
    if (upstream !== undefined) {
      // A reset by the client is passed on; at the end of both directions what is left still goes to the host.
      if (reason !== '') upstream.connection.reset();
      else if (this.ended) upstream.closeAfterFlush(this.config);
      else upstream.connection.closeNow();
    }
    if (log.debugOn)
      log.debug(`${connectionTag(this.downstream.id)}TCP proxy ended ${local ? 'by us' : 'by the client'} ${reason}`);
    this.info.endMonotonic = now;
    this.log(AccessLogType.TcpConnectionEnd);
    this.onGone();
  }

  onTimer(kind: number): void {
    if (kind === IdleTimeout) this.onIdle();
    else if (kind === ConnectTimeout) this.upstream?.onConnectTimeout();
    else if (kind === BackOff) this.connect();
    else if (kind === LogInterval) {
      this.log(AccessLogType.TcpPeriodic);
      this.logTimer!.start(this.config.logInterval);
    } else {
      this.config.stats[TCP.slot.max_downstream_connection_duration]++;
      this.info.setFlag(ResponseFlag.DurationTimeout);
      this.downstream.closeReason = 'max_connection_duration_reached';
      this.downstream.closeNow();
    }
  }

  // === the host's side ===

  onUpstreamConnected(side: UpstreamSide): void {
    const { config, info } = this;
    this.connectTimer.stop();
    info.upstreamLocalAddress = side.connection.localAddress;
    info.upstreamConnectionId = side.connection.id;
    info.poolReadyDuration = Math.floor(now - side.openedAt);
    info.upstreamTls = side.connection.tls;
    if (this.idleTimeout > 0) this.idleTimer.start(this.idleTimeout);
    this.lastActivity = now;
    if (config.logOnConnected) this.log(AccessLogType.TcpUpstreamConnected);
    this.resumeDownstream();
  }

  onUpstreamData(bytes: Buffer, start: number, end: number): void {
    this.lastActivity = now;
    this.info.bytesSent += end - start;
    this.downstream.writeBytes(bytes, start, end);
    if (this.config.drain !== undefined) this.closeIfDraining();
  }

  onUpstreamEnd(): void {
    if (this.ended) this.downstream.closeAfterFlush(0);
    else this.downstream.shutdownWrite();
  }

  /** The host does not read: neither do we from the client. */
  onUpstreamBlocked(): void {
    this.config.stats[TCP.slot.downstream_flow_control_paused_reading_total]++;
    this.pauseDownstream();
  }

  onUpstreamWritable(): void {
    this.config.stats[TCP.slot.downstream_flow_control_resumed_reading_total]++;
    this.resumeDownstream();
  }

  /** The connection to the host is gone: before it was made another host may be tried. `detail`: why it was not made. */
  onUpstreamClosed(connected: boolean, reason: string, detail: string): void {
    this.upstream = undefined;
    this.connectTimer.stop();
    if (this.over) return;
    const { info, config } = this;
    if (connected) {
      if (reason === '') {
        this.downstream.closeAfterFlush(0);
        return;
      }
      info.setFlag(ResponseFlag.UpstreamRemoteReset);
      info.upstreamCloseType = 'RemoteReset';
      this.downstream.reset();
      return;
    }
    info.setFlag(ResponseFlag.UpstreamConnectionFailure);
    info.upstreamTransportFailureReason = detail;
    if (this.attempts < config.maxConnectAttempts) {
      if (config.backOff === undefined) this.connect();
      else this.startBackOff(config.backOff);
      return;
    }
    this.cluster!.stats[CLUSTER.slot.upstream_cx_connect_attempts_exceeded]++;
    this.refuse(ResponseFlag.UpstreamRetryLimitExceeded);
  }

  /** Configuration may want the client to show itself first. */
  private mayConnect(): boolean {
    const { connectMode } = this.config;
    return (
      connectMode === ConnectMode.Immediate ||
      (connectMode === ConnectMode.OnDownstreamTlsHandshake && !this.downstream.isTls)
    );
  }

  /** Nothing is read of the client until there is a host to take it. */
  private connectPaused(): void {
    this.started = true;
    this.pauseDownstream();
    this.connect();
  }

  private connect(): void {
    const { config, info } = this;
    const chosen = this.client.filterState?.get(clusterKey) as string | undefined;
    const cluster = config.clusters.get(chosen ?? config.chooseCluster());
    if (cluster === undefined) {
      config.stats[TCP.slot.downstream_cx_no_route]++;
      this.refuse(ResponseFlag.NoClusterFound);
      return;
    }
    this.cluster = cluster;
    info.upstreamCluster = cluster.name;
    const { stats, breaker } = cluster;
    if (!breaker.tryConnection()) {
      stats[CLUSTER.slot.upstream_cx_overflow]++;
      this.refuse(ResponseFlag.UpstreamOverflow);
      return;
    }
    const host = cluster.chooseHost();
    if (host === undefined) {
      breaker.releaseConnection();
      this.refuse(ResponseFlag.NoHealthyUpstream);
      return;
    }
    if (!breaker.tryPending()) {
      breaker.releaseConnection();
      stats[CLUSTER.slot.upstream_rq_pending_overflow]++;
      this.refuse(ResponseFlag.UpstreamOverflow);
      return;
    }
    this.attempts++;
    info.upstreamHost = host;
    info.attemptedHosts ??= [];
    info.attemptedHosts.push(host);
    info.upstreamRequestAttemptCount = this.attempts;
    this.connectTimer.start(cluster.connectTimeout);
    const downstream = cluster.tellsClients ? config.clientState(this.client, info) : undefined;
    this.upstream = new UpstreamSide(this, cluster, host, downstream);
  }

  /** Fully jittered exponential back-off, from the second attempt on. */
  private startBackOff({ base, max }: { readonly base: number; readonly max: number }): void {
    this.backOffTimer ??= new Timer(this, BackOff);
    const longest = Math.min(base * 2 ** Math.min(this.attempts - 1, 31), max);
    this.backOffTimer.start(Math.floor(Math.random() * longest));
  }

  /** The client is told by the end of its connection alone. */
  private refuse(flag: ResponseFlag): void {
    this.info.setFlag(flag);
    this.downstream.closeReason = `tcp_initializion_failure:${failureNumbers[flag] ?? 0}`;
    this.downstream.closeNow();
  }

  private closeIfDraining(): void {
    if (!this.config.drain!.draining || this.downstream.isClosing) return;
    this.config.stats[TCP.slot.downstream_cx_drain_close]++;
    this.downstream.closeAfterFlush(0);
  }

  private pauseDownstream(): void {
    if (this.paused) return;
    this.paused = true;
    this.downstream.pauseReading();
  }

  private resumeDownstream(): void {
    if (!this.paused) return;
    this.paused = false;
    this.downstream.resumeReading();
  }

  private onIdle(): void {
    const left = this.lastActivity + this.idleTimeout - now;
    if (left > 0) {
      this.idleTimer.start(left);
      return;
    }
    this.config.stats[TCP.slot.idle_timeout]++;
    const reason = 'tcp_session_idle_timeout';
    this.downstream.closeReason = reason;
    if (this.upstream !== undefined) this.info.upstreamLocalCloseReason = reason;
    this.downstream.closeNow();
  }

  private startTimers(): void {
    const { maxConnectionDuration, durationJitter, logInterval } = this.config;
    if (maxConnectionDuration > 0) {
      this.durationTimer = new Timer(this, MaxDuration);
      this.durationTimer.start(maxConnectionDuration * (1 + Math.random() * durationJitter));
    }
    if (logInterval > 0) {
      this.logTimer = new Timer(this, LogInterval);
      this.logTimer.start(logInterval);
    }
  }

  private stopTimers(): void {
    this.idleTimer.stop();
    this.connectTimer.stop();
    this.durationTimer?.stop();
    this.backOffTimer?.stop();
    this.logTimer?.stop();
  }

  private log(type: number): void {
    const { accessLoggers } = this.config;
    if (accessLoggers.length === 0) return;
    this.accessLogType = type;
    for (const accessLogger of accessLoggers) accessLogger.log(this);
  }
}

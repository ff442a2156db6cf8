/** The data path without HTTP: bytes between a client's connection and one to a host, each side paused by the other. */
import { AccessLogType } from '../api/enums.ts';
import { now, wallNow } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { CLUSTER, TCP } from '../common/stats/layouts.ts';
import { type ConnectionInfo, StreamInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import type { FormatContext } from '../spi/format.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { ConnectMode, type TcpProxyConfig } from './config.ts';
import type { HostSide, ReadyHost } from './host_side.ts';
import { type TunnelHead, TunnelSide } from './tunnel_side.ts';
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
  private upstream: HostSide | undefined;
  private attempts = 0;
  private triedAt = 0;
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
      // The connection keeps them until there is a host to take them, and counts them again then.
      this.config.stats[TCP.slot.early_data_received_count_total]++;
      this.config.stats[TCP.slot.downstream_cx_rx_bytes_total] -= end - start;
      this.downstream.unread(bytes, start, end);
      this.connectPaused();
      return;
    }
    this.lastActivity = now;
    this.info.bytesReceived += end - start;
    this.downstream.bulk = end - start >= bulkRead;
    this.upstream?.write(bytes, start, end);
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
    } else upstream.endWrites();
  }

  /** The client does not read: neither do we from the host. */
  onBlocked(): void {
    if (this.upstream === undefined) return;
    this.cluster!.stats[CLUSTER.slot.upstream_flow_control_paused_reading_total]++;
    this.upstream.pauseReading();
  }

  onWritable(): void {
    if (this.upstream === undefined) return;
    this.cluster!.stats[CLUSTER.slot.upstream_flow_control_resumed_reading_total]++;
    this.upstream.resumeReading();
  }

  onClosed(local: boolean, reason: string): void {
    if (this.over) return;
    this.over = true;
    this.stopTimers();
    const { upstream } = this;
    this.upstream = undefined;
    if (upstream !== undefined) {
      // A reset by the client is passed on; at the end of both directions what is left still goes to the host.
      if (reason !== '') upstream.reset();
      else if (this.ended) upstream.closeAfterFlush(this.config);
      else upstream.closeNow();
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
      this.closeBoth('max_connection_duration_reached');
    }
  }

  // === the host's side ===

  onUpstreamConnected(host: ReadyHost): void {
    const { config, info } = this;
    this.connectTimer.stop();
    info.upstreamLocalAddress = host.localAddress;
    info.upstreamConnectionId = host.connectionId;
    info.poolReadyDuration = Math.floor(now - this.triedAt);
    info.upstreamTls = host.tls;
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

  /** The connection to the host is gone. */
  onUpstreamClosed(reason: string): void {
    this.upstream = undefined;
    if (this.over) return;
    if (reason === '') {
      this.downstream.closeAfterFlush(0);
      return;
    }
    this.info.setFlag(ResponseFlag.UpstreamRemoteReset);
    this.info.upstreamCloseType = 'RemoteReset';
    this.downstream.reset();
  }

  /** There is no connection to the host: another one may be tried. */
  onConnectFailed(reason: ResetReason, detail: string): void {
    this.upstream = undefined;
    this.connectTimer.stop();
    if (this.over) return;
    const { info, config } = this;
    // As in Envoy: not for what is our own doing.
    if (reason !== 'local connection failure' && reason !== 'overflow')
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
    const chosen = this.client.filterState?.get(clusterKey) as string | undefined;
    this.connectTo(chosen ?? this.config.chooseCluster());
  }

  private connectTo(name: string): void {
    const { config, info } = this;
    const cluster = config.clusters.get(name);
    if (cluster === undefined) {
      this.waitForCluster(name);
      return;
    }
    this.cluster = cluster;
    info.upstreamCluster = cluster.name;
    info.upstreamClusterMetadata = cluster.metadata;
    const { stats, breaker } = cluster;
    if (config.tunnel !== undefined) {
      this.connectTunnel(cluster, config.tunnel);
      return;
    }
    if (!breaker.tryConnection()) {
      stats[CLUSTER.slot.upstream_cx_overflow]++;
      this.refuse(ResponseFlag.UpstreamOverflow);
      return;
    }
    const host = this.chooseHost(cluster);
    if (host === undefined) {
      breaker.releaseConnection();
      this.refuse(ResponseFlag.NoHealthyUpstream);
      return;
    }
    if (!breaker.tryPending()) {
      breaker.releaseConnection();
      stats[CLUSTER.slot.upstream_rq_pending_overflow]++;
      this.onConnectFailed('overflow', '');
      return;
    }
    this.connectTimer.start(cluster.connectTimeout);
    const downstream = cluster.tellsClients ? config.clientState(this.client, info) : undefined;
    this.upstream = new UpstreamSide(this, cluster, host, downstream);
  }

  /** Where a control plane can be asked for it. */
  private waitForCluster(name: string): void {
    const { onDemand, stats } = this.config;
    const onAnswer = (found: boolean): void => {
      if (this.over) return;
      if (found) this.connectTo(name);
      else {
        stats[TCP.slot.downstream_cx_no_route]++;
        this.refuse(ResponseFlag.NoClusterFound);
      }
    };
    if (onDemand === undefined || !onDemand.request(name, onAnswer)) onAnswer(false);
  }

  /** The pool of the host asks the circuit breakers. */
  private connectTunnel(cluster: Cluster, tunnel: TunnelHead): void {
    const host = this.chooseHost(cluster);
    if (host === undefined) {
      this.refuse(ResponseFlag.NoHealthyUpstream);
      return;
    }
    const side = new TunnelSide(this, tunnel(this));
    this.upstream = side;
    side.start(cluster, host, this.client);
  }

  private chooseHost(cluster: Cluster): Host | undefined {
    const { info } = this;
    const host = cluster.chooseHost();
    if (host === undefined) return undefined;
    this.attempts++;
    this.triedAt = now;
    info.upstreamHost = host;
    info.attemptedHosts ??= [];
    info.attemptedHosts.push(host);
    info.upstreamRequestAttemptCount = this.attempts;
    return host;
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
    this.closeBoth('tcp_session_idle_timeout');
  }

  private closeBoth(reason: string): void {
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

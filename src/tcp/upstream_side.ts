/** The data path without HTTP, host's side: one connection to a host, and what its cluster counts of it. */
import { now } from '../common/clock.ts';
import type { ProxyProtocolState } from '../common/filter_state/proxy_protocol.ts';
import { CLUSTER, HOST, TCP } from '../common/stats/layouts.ts';
import type { Connection } from '../net/connection.ts';
import type { ConnectionOwner } from '../upstream/address_race.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { connectFailure, couldNotBind } from '../upstream/connect_error.ts';
import type { Host } from '../upstream/host.ts';
import type { TcpProxyConfig } from './config.ts';
import type { HostSide } from './host_side.ts';
import type { TcpProxy } from './tcp_proxy.ts';

/** Reads this long mean that a body streams: the next ones go to a private buffer. */
export const bulkRead = 16 * 1024;

const { slot } = CLUSTER;

export class UpstreamSide implements HostSide, ConnectionOwner {
  connection: Connection;
  /** The host has sent all it will. */
  ended = false;
  /** The client ended its side after the host had. */
  localEndedLast = false;
  private hostEndedLast = false;
  private readonly proxy: TcpProxy;
  private readonly cluster: Cluster;
  private readonly host: Host;
  readonly openedAt = now;
  private connected = false;
  private timedOut = false;
  /** The statistics of the proxy, while its client has gone and what it sent is still on the way to the host. */
  private flushing: Float64Array | undefined;

  /** The breaker has granted the connection and its place among those that wait. */
  constructor(proxy: TcpProxy, cluster: Cluster, host: Host, downstream: ProxyProtocolState | undefined) {
    this.proxy = proxy;
    this.cluster = cluster;
    this.host = host;
    const { stats } = cluster;
    stats[slot.upstream_cx_total]++;
    stats[slot.upstream_cx_active]++;
    stats[slot.upstream_rq_pending_total]++;
    stats[slot.upstream_rq_pending_active]++;
    host.stats[HOST.slot.cx_total]++;
    host.stats[HOST.slot.cx_active]++;
    this.connection = cluster.connectTo(host, this, { downstream });
  }

  write(bytes: Buffer, start: number, end: number): void {
    this.connection.writeBytes(bytes, start, end);
  }

  endWrites(): void {
    this.connection.shutdownWrite();
  }

  pauseReading(): void {
    this.connection.pauseReading();
  }

  resumeReading(): void {
    this.connection.resumeReading();
  }

  reset(): void {
    this.connection.reset();
  }

  closeNow(): void {
    this.connection.closeNow();
  }

  onConnectTimeout(): void {
    this.timedOut = true;
    this.connection.closeNow();
  }

  closeAfterFlush({ stats, idleTimeout }: TcpProxyConfig): void {
    this.connection.flushTimeout = idleTimeout;
    this.connection.flush();
    if (this.connection.blocked) {
      this.flushing = stats;
      stats[TCP.slot.upstream_flush_total]++;
      stats[TCP.slot.upstream_flush_active]++;
    }
    this.connection.closeAfterFlush(0);
  }

  onConnected(): void {
    this.connected = true;
    const { stats } = this.cluster;
    this.cluster.breaker.releasePending();
    stats[slot.upstream_rq_pending_active]--;
    stats[slot.upstream_rq_total]++;
    stats[slot.upstream_rq_active]++;
    this.host.stats[HOST.slot.rq_total]++;
    this.host.stats[HOST.slot.rq_active]++;
    this.cluster.connectTime.record(now - this.openedAt);
    const { localAddress, id, tls } = this.connection;
    this.proxy.onUpstreamConnected({ localAddress, connectionId: id, tls });
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.connection.bulk = end - start >= bulkRead;
    this.proxy.onUpstreamData(bytes, start, end);
  }

  onEnd(): void {
    this.ended = true;
    this.hostEndedLast = this.proxy.ended;
    this.proxy.onUpstreamEnd();
  }

  onBlocked(): void {
    this.proxy.onUpstreamBlocked();
  }

  onWritable(): void {
    this.proxy.onUpstreamWritable();
  }

  onClosed(local: boolean, reason: string): void {
    const { stats, breaker } = this.cluster;
    breaker.releaseConnection();
    stats[slot.upstream_cx_active]--;
    stats[slot.upstream_cx_destroy]++;
    this.host.stats[HOST.slot.cx_active]--;
    if (this.flushing !== undefined) this.flushing[TCP.slot.upstream_flush_active]--;
    if (this.connected) this.chargeEnd(reason);
    else this.chargeFailure(local);
    if (this.connected) this.proxy.onUpstreamClosed(reason);
    else if (this.timedOut) this.proxy.onConnectFailed('connection timeout', '');
    else {
      const failure = connectFailure(this.connection, reason, this.host.address);
      this.proxy.onConnectFailed(failure.reason, failure.detail);
    }
  }

  private chargeEnd(reason: string): void {
    const { stats, connectionLength } = this.cluster;
    const byUs = this.localEndedLast || (!this.hostEndedLast && reason === '');
    stats[slot.upstream_rq_active]--;
    this.host.stats[HOST.slot.rq_active]--;
    stats[slot.upstream_cx_destroy_with_active_rq]++;
    stats[byUs ? slot.upstream_cx_destroy_local : slot.upstream_cx_destroy_remote]++;
    stats[byUs ? slot.upstream_cx_destroy_local_with_active_rq : slot.upstream_cx_destroy_remote_with_active_rq]++;
    connectionLength.record(now - this.openedAt);
  }

  private chargeFailure(local: boolean): void {
    const { stats, breaker } = this.cluster;
    breaker.releasePending();
    stats[slot.upstream_rq_pending_active]--;
    const byUs = local || couldNotBind(this.connection);
    stats[byUs ? slot.upstream_cx_destroy_local : slot.upstream_cx_destroy_remote]++;
    if (local && !this.timedOut) {
      stats[slot.upstream_rq_cancelled]++;
      return;
    }
    stats[slot.upstream_rq_pending_failure_eject]++;
    stats[slot.upstream_cx_connect_fail]++;
    this.host.stats[HOST.slot.cx_connect_fail]++;
    if (this.timedOut) stats[slot.upstream_cx_connect_timeout]++;
  }
}

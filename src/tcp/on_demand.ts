/** A connection whose cluster is not there waits while a control plane is asked for it (`on_demand` of the TCP proxy). */
import type { envoy } from '../api/envoy_types.ts';
import { now } from '../common/clock.ts';
import { durationMs } from '../common/duration.ts';
import { writeSource } from '../common/on_demand_source.ts';
import { defineLayout } from '../common/stats/layout.ts';
import type { WorkerContext } from '../spi/worker_context.ts';

type OnDemand = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy_OnDemand;

/** `tcp.<stat_prefix>.`, beside what every TCP proxy counts. */
const TCP_ON_DEMAND = defineLayout('tcp_on_demand', [
  'on_demand_cluster_attempt',
  'on_demand_cluster_missing',
  'on_demand_cluster_success',
  'on_demand_cluster_timeout',
]);

/** Envoy's, milliseconds. */
const defaultTimeout = 60_000;

export class ClustersOnDemand {
  private readonly context: WorkerContext;
  private readonly from: string;
  private readonly timeout: number;
  private readonly stats: Float64Array;

  constructor({ odcdsConfig, timeout }: OnDemand, context: WorkerContext, statPrefix: string) {
    this.context = context;
    this.from = writeSource(odcdsConfig!);
    this.timeout = durationMs(timeout) ?? defaultTimeout;
    this.stats = context.stats.block(TCP_ON_DEMAND, `tcp.${statPrefix}.`);
    for (let i = 0; i < this.stats.length; i++) this.stats[i] += 0;
  }

  /** `done` comes later, once: whether the cluster is there. False: too many are waited for. */
  request(name: string, done: (found: boolean) => void): boolean {
    const { context, stats, timeout } = this;
    const { slot } = TCP_ON_DEMAND;
    const begin = now;
    stats[slot.on_demand_cluster_attempt]++;
    const asked = context.requestCluster(name, this.from, timeout, () => {
      const found = context.clusters.get(name) !== undefined;
      if (found) stats[slot.on_demand_cluster_success]++;
      else stats[now - begin < timeout ? slot.on_demand_cluster_missing : slot.on_demand_cluster_timeout]++;
      done(found);
    });
    if (!asked) stats[slot.on_demand_cluster_missing]++;
    return asked;
  }
}

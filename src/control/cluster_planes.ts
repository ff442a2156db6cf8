/** Where control planes are: the hosts of their clusters, as the main thread connects to them. */
import { durationMs } from '../common/duration.ts';
import { healthOfFlags } from '../snapshot/layout.ts';
import type { ControlPlaneHost, ControlPlanes } from '../xds/control_plane.ts';
import type { ClusterSet } from './cluster_set.ts';
import { controlPlaneTls } from './secrets/control_plane_tls.ts';
import type { SecretSet } from './secrets/secret_set.ts';

/** Envoy's default, milliseconds. */
const defaultConnectTimeout = 5000;

export class ClusterPlanes implements ControlPlanes {
  private readonly clusters: ClusterSet;
  private readonly secrets: Pick<SecretSet, 'contentOf'>;
  private readonly turns = new Map<string, number>();

  constructor(clusters: ClusterSet, secrets: Pick<SecretSet, 'contentOf'>) {
    this.clusters = clusters;
    this.secrets = secrets;
  }

  /** Healthy hosts in turn; when none is, all of them. */
  nextHost(name: string): ControlPlaneHost | undefined {
    const cluster = this.clusters.get(name);
    if (cluster === undefined || cluster.hosts.length === 0) return undefined;
    const flags = cluster.healthFlags();
    const healthy = cluster.hosts.filter((_, i) => healthOfFlags(flags[i]) !== 'unhealthy');
    const hosts = healthy.length > 0 ? healthy : cluster.hosts;
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, turn + 1);
    const connectTimeout = durationMs(cluster.message.connectTimeout) ?? defaultConnectTimeout;
    const { address, hostname } = hosts[turn % hosts.length];
    const tls = controlPlaneTls(cluster.message, hostname, (ref) => this.secrets.contentOf(ref));
    return { address, tls, connectTimeout, stats: cluster.stats };
  }
}

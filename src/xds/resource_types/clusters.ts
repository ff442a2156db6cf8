/** Control path, step 3: CDS: the clusters a control plane sends, added, replaced and removed. */
import type { envoy } from '../../api/envoy_types.ts';
import { logger } from '../../common/log.ts';
import { Slices } from '../../common/slices.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import type { StatsStore } from '../../spi/stats.ts';
import { sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';
import { CollectionDiscovery, type CollectionTarget } from './collection.ts';
import { validateInSlices } from './validate.ts';

const log = logger('upstream');

type Cluster = envoy.config.cluster.v3.Cluster;

/** The clusters of the process, as discovery changes them. */
export interface ClusterTarget extends CollectionTarget {
  /** Resolves when it is warm. */
  apply(message: Cluster, source: { dynamic: true; version: string }): Promise<void>;
  remove(name: string): void;
  /** What a cluster was given last. */
  latest(name: string): Cluster | undefined;
}

/** `cluster_manager.cds.`, beside what every subscription counts. */
const CDS = defineLayout('cds', ['config_reload'], ['config_reload_time_ms']);

export class ClusterDiscovery extends CollectionDiscovery<ClusterTarget> {
  private readonly stats: Float64Array;
  private begun = false;

  constructor(target: ClusterTarget, stats: StatsStore, onFirst: () => void) {
    super(target, onFirst);
    this.stats = stats.block(CDS, 'cluster_manager.cds.');
  }

  /** But for the first one, the ACK waits until the clusters are warm, as Envoy's does. */
  protected async update(
    resources: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> {
    const known = this.target.known();
    const names = new Set([...known.keys(), ...resources.map(({ name }) => name)]);
    const isKnown = ({ name, message }: DecodedResource) => this.target.latest(name) === (message as unknown);
    const { good, rejections } = await validateInSlices(resources, names, 'cluster', isKnown);
    if (good.length === 0 && rejections.length > 0) {
      this.onFirst();
      return rejections;
    }
    log.info(`cds: add ${good.length} cluster(s), remove ${removed.length} cluster(s)`);
    const warm: Promise<void>[] = [];
    const slices = new Slices(sliceTime);
    for (const { name, message, version: own } of good) {
      if (slices.over) await slices.next();
      // What the bootstrap says of a cluster holds, as in Envoy.
      if (known.get(name)?.dynamic === false) continue;
      const source = { dynamic: true, version: own || version } as const;
      warm.push(this.target.apply(message as unknown as Cluster, source));
    }
    for (const name of removed) this.target.remove(name);
    if (warm.length > 0 || removed.length > 0) {
      this.stats[CDS.slot.config_reload]++;
      this.stats[CDS.slot.config_reload_time_ms] = Date.now();
    }
    const { begun } = this;
    this.begun = true;
    const done = Promise.all(warm).then(this.onFirst);
    if (begun) await done;
    return rejections;
  }
}

/** Control path, step 3: CDS: the clusters a control plane sends, added, replaced and removed. */
import type { envoy } from '../../api/envoy_types.ts';
import { logger } from '../../common/log.ts';
import { Slices } from '../../common/slices.ts';
import { sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection, SubscriptionCallbacks } from '../subscription.ts';
import { validateInSlices } from './validate.ts';

const log = logger('upstream');

type Cluster = envoy.config.cluster.v3.Cluster;

/** The clusters of the process, as discovery changes them. */
export interface ClusterTarget {
  /** Resolves when it is warm. */
  apply(message: Cluster, source: { dynamic: true; version: string }): Promise<void>;
  remove(name: string): void;
  /** All there are, by name: whether discovery may change them. */
  known(): ReadonlyMap<string, { readonly dynamic: boolean }>;
  /** What a cluster was given last. */
  latest(name: string): Cluster | undefined;
}

export class ClusterDiscovery implements SubscriptionCallbacks {
  private readonly target: ClusterTarget;
  private readonly onFirst: () => void;

  /** `onFirst` is called when the first answer is applied and warm, or none came in time. */
  constructor(target: ClusterTarget, onFirst: () => void) {
    this.target = target;
    this.onFirst = onFirst;
  }

  /** The ACK waits until the clusters are warm, as Envoy's does. */
  async onConfigUpdate(resources: readonly DecodedResource[], version: string): Promise<Rejection[]> {
    const named = new Set(resources.map(({ name }) => name));
    const removed = [...this.target.known()].filter(([name, { dynamic }]) => dynamic && !named.has(name));
    return this.update(
      resources,
      removed.map(([name]) => name),
      version,
    );
  }

  async onDeltaUpdate(
    added: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> {
    const known = this.target.known();
    return this.update(
      added,
      removed.filter((name) => known.get(name)?.dynamic === true),
      version,
    );
  }

  onConfigUpdateFailed(why: string): void {
    if (why !== 'connection failure') this.onFirst();
  }

  private async update(
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
    await Promise.all(warm);
    this.onFirst();
    return rejections;
  }
}

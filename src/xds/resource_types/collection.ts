/** Control path, step 3: what CDS and LDS have in common: a collection whose members discovery adds, replaces and removes. */
import type { DecodedResource, Rejection, SubscriptionCallbacks } from '../subscription.ts';

export interface CollectionTarget {
  /** All there are, by name: whether discovery may change them. */
  known(): ReadonlyMap<string, { readonly dynamic: boolean }>;
}

export abstract class CollectionDiscovery<T extends CollectionTarget> implements SubscriptionCallbacks {
  protected readonly target: T;
  protected readonly onFirst: () => void;

  /** `onFirst` is called when the first answer is applied and warm, or none came in time. */
  constructor(target: T, onFirst: () => void) {
    this.target = target;
    this.onFirst = onFirst;
  }

  protected abstract update(
    resources: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]>;

  /** What the state of the world does not name any more is removed. */
  async onConfigUpdate(resources: readonly DecodedResource[], version: string): Promise<Rejection[]> {
    const named = new Set(resources.map(({ name }) => name));
    const removed = [...this.target.known()].flatMap(([name, { dynamic }]) =>
      dynamic && !named.has(name) ? [name] : [],
    );
    return this.update(resources, removed, version);
  }

  async onDeltaUpdate(
    added: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> {
    const known = this.target.known();
    const ours = removed.filter((name) => known.get(name)?.dynamic === true);
    return this.update(added, ours, version);
  }

  onConfigUpdateFailed(why: string): void {
    if (why !== 'connection failure') this.onFirst();
  }
}

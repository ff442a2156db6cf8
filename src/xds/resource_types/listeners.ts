/** Control path, step 3: LDS: the listeners a control plane sends, added, replaced and removed. */
import type { envoy } from '../../api/envoy_types.ts';
import { logger } from '../../common/log.ts';
import type { DecodedResource, Rejection, SubscriptionCallbacks } from '../subscription.ts';
import { validateInSlices } from './validate.ts';

const log = logger('config');

type Listener = envoy.config.listener.v3.Listener;

/** The listeners of the process, as discovery changes them. */
export interface ListenerTarget {
  /** Resolves with why it cannot listen, or empty; warming goes on after that. */
  apply(message: Listener, source: { dynamic: true; version: string }): Promise<string>;
  remove(name: string): void;
  known(): ReadonlyMap<string, { readonly dynamic: boolean }>;
  /** Names of the clusters there are. */
  clusters(): ReadonlySet<string>;
  /** Resolves when every listener that was given so far serves. */
  warm(): Promise<void>;
}

export class ListenerDiscovery implements SubscriptionCallbacks {
  private readonly target: ListenerTarget;
  private readonly onFirst: () => void;

  constructor(target: ListenerTarget, onFirst: () => void) {
    this.target = target;
    this.onFirst = onFirst;
  }

  async onConfigUpdate(resources: readonly DecodedResource[], version: string): Promise<Rejection[]> {
    const named = new Set(resources.map(({ name }) => name));
    const gone = [...this.target.known()].filter(([name, { dynamic }]) => dynamic && !named.has(name));
    return this.update(
      resources,
      gone.map(([name]) => name),
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
    const clusters = this.target.clusters();
    const { good, rejections } = await validateInSlices(resources, clusters, 'listener', () => false);
    if (good.length === 0 && rejections.length > 0) {
      this.onFirst();
      return rejections;
    }
    // First the removed ones: another listener may take their addresses.
    for (const name of removed) this.target.remove(name);
    const known = this.target.known();
    for (const { name, message, version: own } of good) {
      if (known.get(name)?.dynamic === false) continue;
      const reason = await this.target.apply(message as unknown as Listener, {
        dynamic: true,
        version: own || version,
      });
      if (reason === '') log.info(`lds: add/update listener '${name}'`);
      else rejections.push({ resource: name, reason });
    }
    void this.target.warm().then(this.onFirst);
    return rejections;
  }
}

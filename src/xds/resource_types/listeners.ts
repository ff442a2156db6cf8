/** Control path, step 3: LDS: the listeners a control plane sends, added, replaced and removed. */
import type { envoy } from '../../api/envoy_types.ts';
import { logger } from '../../common/log.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';
import { CollectionDiscovery, type CollectionTarget } from './collection.ts';
import { validateInSlices } from './validate.ts';

const log = logger('config');

type Listener = envoy.config.listener.v3.Listener;

/** The listeners of the process, as discovery changes them. */
export interface ListenerTarget extends CollectionTarget {
  /** Resolves with why it cannot listen, or empty; warming goes on after that. */
  apply(message: Listener, source: { dynamic: true; version: string }): Promise<string>;
  remove(name: string): void;
  /** Names of the clusters there are. */
  clusters(): ReadonlySet<string>;
  /** Resolves when every listener that was given so far serves. */
  warm(): Promise<void>;
}

export class ListenerDiscovery extends CollectionDiscovery<ListenerTarget> {
  protected async update(
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

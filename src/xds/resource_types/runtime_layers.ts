/** Control path, step 3: RTDS: one layer of the runtime as a control plane sends it. */
import type { JsonObject } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import type { DecodedResource, Rejection, SubscriptionCallbacks } from '../subscription.ts';

type RuntimeMessage = envoy.service.runtime.v3.Runtime;

export class RuntimeLayerDiscovery implements SubscriptionCallbacks {
  private readonly name: string;
  private readonly onLayer: (values: JsonObject) => void;
  private readonly onReady: () => void;

  /** `onReady` is called with the first answer, or when there will be none in time. */
  constructor(name: string, onLayer: (values: JsonObject) => void, onReady: () => void) {
    this.name = name;
    this.onLayer = onLayer;
    this.onReady = onReady;
  }

  onConfigUpdate(resources: readonly DecodedResource[]): Rejection[] {
    return this.take(resources, 0);
  }

  onDeltaUpdate(added: readonly DecodedResource[], removed: readonly string[]): Rejection[] {
    if (added.length > 0 || !removed.includes(this.name)) return this.take(added, removed.length);
    this.onLayer({});
    this.onReady();
    return [];
  }

  /** The process starts all the same, with what its other layers say. */
  onConfigUpdateFailed(why: string): void {
    if (why !== 'connection failure') this.onReady();
  }

  private take(added: readonly DecodedResource[], removed: number): Rejection[] {
    this.onReady();
    const mine = added.filter(({ name }) => name === this.name);
    if (mine.length !== 1) {
      const counts = `number of added resources ${mine.length}, number of removed resources ${removed}`;
      return [{ resource: this.name, reason: `Unexpected RTDS resource length, ${counts}` }];
    }
    this.onLayer((mine[0].message as unknown as RuntimeMessage).layer ?? {});
    return [];
  }
}

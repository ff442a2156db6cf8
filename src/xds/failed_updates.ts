/** Control path, step 3: what control planes sent last and was refused, by type and name: for /config_dump. */
import type { AnyMessage } from '../api/registry.ts';
import type { DecodedResource, Rejection, SubscriptionCallbacks } from './subscription.ts';

export interface FailedUpdate {
  readonly message: AnyMessage;
  readonly version: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Types of which state of the world says what there is, and so also what there is no more. */
const wholeTypes: ReadonlySet<string> = new Set([
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.listener.v3.Listener',
]);

export class FailedUpdates {
  private readonly byType = new Map<string, Map<string, FailedUpdate>>();
  private readonly versions = new Map<string, string>();

  /** Of the last response of a type, whether it was accepted or not; undefined: there was none. */
  latestVersion(typeName: string): string | undefined {
    return this.versions.get(typeName);
  }

  of(typeName: string): ReadonlyMap<string, FailedUpdate> {
    return this.byType.get(typeName) ?? none;
  }

  /** The same callbacks, with an eye on what they refuse. */
  watch(typeName: string, callbacks: SubscriptionCallbacks): SubscriptionCallbacks {
    const failures = this.byType.get(typeName) ?? new Map<string, FailedUpdate>();
    this.byType.set(typeName, failures);
    return {
      onConfigUpdate: async (resources, version) => {
        this.versions.set(typeName, version);
        const rejections = await callbacks.onConfigUpdate(resources, version);
        if (wholeTypes.has(typeName)) {
          const named = new Set(resources.map(({ name }) => name));
          for (const name of failures.keys()) if (!named.has(name)) failures.delete(name);
        }
        note(failures, resources, rejections, version);
        return rejections;
      },
      onDeltaUpdate: async (added, removed, version) => {
        this.versions.set(typeName, version);
        const rejections = await callbacks.onDeltaUpdate(added, removed, version);
        for (const name of removed) failures.delete(name);
        note(failures, added, rejections, version);
        return rejections;
      },
      onConfigUpdateFailed: (why, reason) => callbacks.onConfigUpdateFailed(why, reason),
    };
  }
}

const none: ReadonlyMap<string, FailedUpdate> = new Map();

function note(
  failures: Map<string, FailedUpdate>,
  resources: readonly DecodedResource[],
  rejections: readonly Rejection[],
  version: string,
): void {
  const reasons = new Map<string, string>();
  for (const { resource, reason } of rejections) {
    const before = reasons.get(resource);
    reasons.set(resource, before === undefined ? reason : `${before}\n${reason}`);
  }
  for (const { name, message, version: own } of resources) {
    const reason = reasons.get(name);
    if (reason === undefined) failures.delete(name);
    else failures.set(name, { message, version: own || version, reason, at: Date.now() });
  }
}

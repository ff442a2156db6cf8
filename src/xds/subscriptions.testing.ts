/** What tests of the transports share: sources, resources, and a subscriber that notes what it is told. */
import { after } from 'node:test';
import { create, fromJson } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, messageType, registry } from '../api/registry.ts';
import { ipAddress } from '../common/address.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import type { DecodedResource, Rejection, SubscriptionCallbacks } from './subscription.ts';
import type { XdsParts } from './subscription_factory.ts';

export const clusterType = 'envoy.config.cluster.v3.Cluster';
export const endpointType = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

const running: { stop(): unknown }[] = [];
after(async () => {
  for (const each of running) await each.stop();
});

/** When all tests of the file are over. */
export function stopAtEnd(...more: readonly { stop(): unknown }[]): void {
  running.push(...more);
}

export function source(json: unknown): envoy.config.core.v3.ConfigSource {
  const type = messageType('envoy.config.core.v3.ConfigSource');
  return fromJson(type, json as never, { registry }) as unknown as envoy.config.core.v3.ConfigSource;
}

export function cluster(name: string): AnyMessage {
  return create(messageType(clusterType), { name } as never) as unknown as AnyMessage;
}

export function assignment(clusterName: string): AnyMessage {
  return create(messageType(endpointType), { clusterName } as never) as unknown as AnyMessage;
}

/** Notes what it is told; refuses what `refuse` names. */
export class Recorder implements SubscriptionCallbacks {
  readonly updates: { names: string[]; removed: readonly string[]; version: string }[] = [];
  readonly failures: string[] = [];
  refuse: Rejection[] = [];

  onConfigUpdate(resources: readonly DecodedResource[], version: string): Rejection[] {
    this.updates.push({ names: resources.map(({ name }) => name), removed: [], version });
    return this.refuse;
  }

  onDeltaUpdate(added: readonly DecodedResource[], removed: readonly string[], version: string): Rejection[] {
    this.updates.push({ names: added.map(({ name }) => name), removed, version });
    return this.refuse;
  }

  onConfigUpdateFailed(why: string): void {
    this.failures.push(why);
  }
}

export function parts(port: () => number | undefined, more: Partial<XdsParts> = {}): XdsParts {
  const stats = new ThreadStats(() => {});
  return {
    planes: {
      nextHost: () => {
        const at = port();
        if (at === undefined) return undefined;
        const slots = stats.block(CLUSTER, 'cluster.xds.');
        return { address: ipAddress('127.0.0.1', at), tls: undefined, connectTimeout: 1000, stats: slots };
      },
    },
    stats,
    node: create(messageType('envoy.config.core.v3.Node'), { id: 'n', cluster: 'c' } as never) as never,
    ads: undefined,
    random: () => 0,
    onVersion: () => {},
    onIdentifier: () => {},
    readLegacy: () => [],
    ...more,
  };
}

export function ads(delta: boolean): envoy.config.core.v3.ApiConfigSource {
  const type = messageType('envoy.config.core.v3.ApiConfigSource');
  const json = {
    api_type: delta ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [{ envoy_grpc: { cluster_name: 'xds' }, initial_metadata: [{ key: 'x-token', value: 't' }] }],
  };
  return fromJson(type, json as never) as unknown as envoy.config.core.v3.ApiConfigSource;
}

/** The one resource of an overload manager that is watched: how many clients may be connected, over all listeners and workers. */
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';

const connectionMonitor = 'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';

/** Undefined: there is no such limit. */
export function mostClients({ overloadManager }: envoy.config.bootstrap.v3.Bootstrap): number | undefined {
  for (const { configType } of overloadManager?.resourceMonitors ?? []) {
    if (configType.case !== 'typedConfig' || !configType.value.typeUrl.endsWith(`/${connectionMonitor}`)) continue;
    const config = unpackAny(configType.value) as { maxActiveDownstreamConnections?: bigint };
    return Number(config.maxActiveDownstreamConnections ?? 0);
  }
  return undefined;
}

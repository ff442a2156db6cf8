/** A cluster's endpoints as they are now, for `/config_dump?include_eds`: with the health and weight of each host. */
import { create } from '@bufbuild/protobuf';
import { HealthStatus } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { healthOfFlags } from '../snapshot/layout.ts';
import type { ClusterEntry } from './cluster_entry.ts';
import type { KnownHost } from './known_hosts.ts';

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

const statusOf = {
  healthy: HealthStatus.HEALTHY,
  degraded: HealthStatus.DEGRADED,
  unhealthy: HealthStatus.UNHEALTHY,
} as const;

/** What Envoy takes for the policy of assignments without one, in percent. */
const defaultOverprovisioning = 140;

/** Under the name that is asked for: the service's, or the cluster's. */
export function liveAssignment(entry: LiveCluster): Assignment {
  const { message, assignment, hosts } = entry;
  const flags = entry.healthFlags();
  let next = 0;
  const endpoints = assignment.endpoints.flatMap(({ locality, priority, loadBalancingWeight, lbEndpoints }) => {
    const members = lbEndpoints.flatMap(({ hostIdentifier, metadata }) => {
      if (hostIdentifier.case !== 'endpoint') return [];
      const at = next++;
      const health = statusOf[healthOfFlags(flags[at])];
      return [endpointOf(hosts[at], hostIdentifier.value, metadata, health)];
    });
    const weight = loadBalancingWeight ?? 0;
    return members.length === 0
      ? []
      : [{ locality: locality ?? {}, priority, loadBalancingWeight: weight, lbEndpoints: members }];
  });
  const overprovisioningFactor = assignment.policy?.overprovisioningFactor ?? defaultOverprovisioning;
  const clusterName = message.edsClusterConfig?.serviceName || message.name;
  return create(messageType('envoy.config.endpoint.v3.ClusterLoadAssignment'), {
    clusterName,
    endpoints,
    policy: { overprovisioningFactor },
  } as never) as unknown as Assignment;
}

type LiveCluster = Pick<ClusterEntry, 'message' | 'assignment' | 'hosts'> & { healthFlags(): number[] };

function endpointOf(
  { weight }: KnownHost,
  { address, hostname, healthCheckConfig }: envoy.config.endpoint.v3.Endpoint,
  metadata: envoy.config.core.v3.Metadata | undefined,
  healthStatus: number,
): object {
  // Who is asked for its health, where that is another one.
  const checked = { hostname: healthCheckConfig?.hostname ?? '', portValue: healthCheckConfig?.portValue ?? 0 };
  const value = { address, hostname, healthCheckConfig: checked };
  return {
    hostIdentifier: { case: 'endpoint', value },
    healthStatus,
    loadBalancingWeight: weight,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

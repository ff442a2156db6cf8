/** The hosts of an assignment as the main thread knows them: for membership counts and /clusters. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage, ipAddress } from '../common/address.ts';
import type { Address } from '../common/stream_info.ts';
import { flagsOfHealthStatus, HealthFlag } from '../snapshot/layout.ts';
import type { HealthFlagName } from './admin/context.ts';

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** A host as the main thread knows it. */
export interface KnownHost {
  readonly address: Address;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly canary: boolean;
  /** Bits of `HealthFlag` that its endpoint itself says. */
  readonly healthFlags: number;
  /** What workers keep its counts under where that is not its address. */
  readonly countsKey: string | undefined;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
  /** Where its health is asked for. */
  readonly healthCheck: { readonly address: Address; readonly hostname: string; readonly disabled: boolean };
}

/** In the order of the endpoints. */
export function knownHosts(assignment: Assignment, logical: boolean): KnownHost[] {
  const hosts: KnownHost[] = [];
  for (const { locality, lbEndpoints, priority } of assignment.endpoints) {
    for (const { hostIdentifier, loadBalancingWeight, metadata, healthStatus } of lbEndpoints) {
      if (hostIdentifier.case !== 'endpoint') continue;
      const { hostname } = hostIdentifier.value;
      const address = addressOfMessage(hostIdentifier.value.address);
      hosts.push({
        address,
        hostname,
        weight: loadBalancingWeight ?? 1,
        priority,
        canary: metadata?.filterMetadata['envoy.lb']?.['canary'] === true,
        healthFlags: flagsOfHealthStatus(healthStatus),
        countsKey: logical ? hostname : undefined,
        locality: locality && { region: locality.region, zone: locality.zone, subZone: locality.subZone },
        healthCheck: healthCheckOf(hostIdentifier.value, address),
      });
    }
  }
  return hosts;
}

function healthCheckOf(
  { hostname, healthCheckConfig: config }: envoy.config.endpoint.v3.Endpoint,
  own: Address,
): KnownHost['healthCheck'] {
  if (config === undefined) return { address: own, hostname, disabled: false };
  let address = config.address === undefined ? own : addressOfMessage(config.address);
  if (config.portValue !== 0 && address.ip !== '') address = ipAddress(address.ip, config.portValue);
  return { address, hostname: config.hostname || hostname, disabled: config.disableActiveHealthCheck };
}

export function memberKeys(hosts: readonly KnownHost[]): Set<string> {
  return new Set(hosts.map(memberKey));
}

/** Names a host among those of its cluster. */
export function memberKey({ priority, address, hostname }: KnownHost): string {
  return `${priority}/${address.text}/${hostname}`;
}

/** The flags by their names in /clusters, in Envoy's order. */
const flagNames = [
  [HealthFlag.FailedActiveHc, 'failed_active_hc'],
  [HealthFlag.FailedOutlierCheck, 'failed_outlier_check'],
  [HealthFlag.FailedEdsHealth, 'failed_eds_health'],
  [HealthFlag.DegradedActiveHc, 'degraded_active_hc'],
  [HealthFlag.DegradedEdsHealth, 'degraded_eds_health'],
  [HealthFlag.PendingDynamicRemoval, 'pending_dynamic_removal'],
  [HealthFlag.PendingActiveHc, 'pending_active_hc'],
  [HealthFlag.ExcludedViaImmediateHcFail, 'excluded_via_immediate_hc_fail'],
  [HealthFlag.ActiveHcTimeout, 'active_hc_timeout'],
  [HealthFlag.EdsStatusDraining, 'eds_status_draining'],
] as const;

export function healthFlagNames(flags: number): HealthFlagName[] {
  return flagNames.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

/** Hosts that discovery names no more and whose active checks still pass: they stay until a check fails, as in Envoy (main thread). */
import type { envoy } from '../api/envoy_types.ts';
import { type KnownHost, knownHosts, memberKey, memberKeys } from './known_hosts.ts';

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;
type Locality = envoy.config.endpoint.v3.LocalityLbEndpoints;

export interface Members {
  readonly assignment: Assignment;
  /** Keys of the hosts that only stay. */
  readonly staying: ReadonlySet<string>;
}

const nobody: ReadonlySet<string> = new Set();

/** What was asked for, with the hosts of `former` that `passes` says are in order; each in its locality and priority. */
export function withStaying(
  next: Assignment,
  former: Assignment,
  passes: (host: KnownHost, index: number) => boolean,
): Members {
  const wanted = memberKeys(knownHosts(next, false));
  const staying = new Set<string>();
  const endpoints: Locality[] = [...next.endpoints];
  let index = 0;
  for (const locality of former.endpoints) {
    const hosts = knownHosts({ ...former, endpoints: [locality] }, false);
    const kept = hosts.map((host, i) => {
      const stays = !wanted.has(memberKey(host)) && passes(host, index + i);
      if (stays) staying.add(memberKey(host));
      return stays;
    });
    index += hosts.length;
    const lbEndpoints = locality.lbEndpoints.filter((_, i) => kept[i]);
    if (lbEndpoints.length > 0) addTo(endpoints, { ...locality, lbEndpoints });
  }
  if (staying.size === 0) return { assignment: next, staying: nobody };
  return { assignment: { ...next, endpoints }, staying };
}

function addTo(endpoints: Locality[], group: Locality): void {
  const at = endpoints.findIndex((other) => other.priority === group.priority && placeOf(other) === placeOf(group));
  if (at < 0) endpoints.push(group);
  else endpoints[at] = { ...endpoints[at], lbEndpoints: [...endpoints[at].lbEndpoints, ...group.lbEndpoints] };
}

function placeOf({ locality }: Locality): string {
  return locality === undefined ? '' : `${locality.region}/${locality.zone}/${locality.subZone}`;
}

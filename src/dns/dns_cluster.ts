/** A STRICT_DNS or LOGICAL_DNS cluster: every name of its load_assignment resolved and kept fresh, as a load_assignment of addresses. */
import { clone, create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { ipVersion } from '../common/address.ts';
import { type DnsSettings, dnsSettings } from './dns_settings.ts';
import { type DnsStat, DnsTarget, type DnsTimers, nodeTimers } from './dns_target.ts';
import type { DnsResolver } from './resolver.ts';

type Cluster = envoy.config.cluster.v3.Cluster;
type ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment;
type LbEndpoint = envoy.config.endpoint.v3.LbEndpoint;
type Endpoint = envoy.config.endpoint.v3.Endpoint;
type SocketAddress = envoy.config.core.v3.SocketAddress;

const ASSIGNMENT = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const LB_ENDPOINT = 'envoy.config.endpoint.v3.LbEndpoint';

export interface DnsOptions {
  readonly resolver: DnsResolver;
  /**
   * The whole list, each time it changes: a load_assignment whose addresses are IPs, each with the port of its name, and
   * whose endpoints have the name as hostname unless one was configured. Also called with an empty one.
   */
  readonly onHosts: (assignment: ClusterLoadAssignment) => void;
  /** Once, after the first name has been answered or has failed (then its list is empty). Hosts come first. */
  readonly onReady: () => void;
  /** One more of `cluster.<name>.<stat>`. */
  readonly count?: (stat: DnsStat) => void;
  readonly timers?: DnsTimers;
  /** 0 <= x < 1. */
  readonly random?: () => number;
}

export interface DnsCluster {
  /** No callback comes after this. */
  stop(): void;
}

/** Begins to resolve. Both callbacks may come before this returns, when all names are IP literals or known by heart. */
export function dnsCluster(cluster: Cluster, options: DnsOptions): DnsCluster {
  const { resolver, onHosts, onReady, count = () => {}, timers = nodeTimers, random = Math.random } = options;
  const settings = dnsSettings(cluster)!;
  const backOff = failureBackOff(settings, random);
  const targets = new Map<string, DnsTarget>();
  let starting = true;
  let ready = false;
  let changed = false;

  const report = (): void => {
    changed = true;
    if (!starting) settle();
  };
  // Names that answer at once are reported together, not one by one.
  const settle = (): void => {
    if (changed) {
      changed = false;
      onHosts(resolvedAssignment(cluster, targets, settings.logical));
    }
  };
  const announce = (): void => {
    if (ready || starting) return;
    ready = true;
    onReady();
  };

  let resolvedAtOnce = false;
  for (const name of dnsNames(cluster)) {
    const target = new DnsTarget({
      name,
      family: settings.family,
      first: settings.logical,
      resolver,
      timers,
      refreshMs: (empty, ttl) => {
        backOff.reset();
        if (empty) return settings.refresh;
        return heldFor(settings, ttl) + random() * settings.jitter;
      },
      failureRefreshMs: backOff.next,
      count,
      onChange: report,
      onResolved: () => {
        resolvedAtOnce = true;
        announce();
      },
    });
    targets.set(name, target);
    target.start();
  }
  starting = false;
  if (hasFixedAddresses(cluster)) report();
  else settle();
  if (resolvedAtOnce || targets.size === 0) announce();
  return {
    stop() {
      ready = true;
      for (const target of targets.values()) target.stop();
    },
  };
}

/** Milliseconds an answer is taken for true; a TTL of 0 says nothing, as in Envoy. */
function heldFor({ respectTtl, refresh, minRefresh }: DnsSettings, ttl: number | undefined): number {
  return respectTtl && ttl !== undefined && ttl > 0 ? Math.max(ttl * 1000, minRefresh) : refresh;
}

/** Envoy's back-off: without dns_failure_refresh_rate the usual rate, else exponential with full jitter. */
function failureBackOff(
  { refresh, failureRefresh }: DnsSettings,
  random: () => number,
): { next: () => number; reset: () => void } {
  if (failureRefresh === undefined) return { next: () => refresh, reset: () => {} };
  const { base, max } = failureRefresh;
  let interval = base;
  return {
    next: () => {
      const current = interval;
      interval = Math.min(interval * 2, max);
      return Math.floor(random() * current);
    },
    reset: () => {
      interval = base;
    },
  };
}

function* allEndpoints(cluster: Cluster): Generator<LbEndpoint> {
  for (const locality of cluster.loadAssignment?.endpoints ?? []) yield* locality.lbEndpoints;
}

function socketAddressOf(endpoint: LbEndpoint): SocketAddress | undefined {
  if (endpoint.hostIdentifier.case !== 'endpoint') return undefined;
  const address = endpoint.hostIdentifier.value.address?.address;
  return address?.case === 'socketAddress' ? address.value : undefined;
}

/** The name of an endpoint that has to be resolved; undefined for IP literals and UNIX sockets. */
function dnsName(endpoint: LbEndpoint): string | undefined {
  const name = socketAddressOf(endpoint)?.address;
  return name === undefined || ipVersion(name) !== 0 ? undefined : name;
}

function dnsNames(cluster: Cluster): Set<string> {
  const names = new Set<string>();
  for (const endpoint of allEndpoints(cluster)) {
    const name = dnsName(endpoint);
    if (name !== undefined) names.add(name);
  }
  return names;
}

function hasFixedAddresses(cluster: Cluster): boolean {
  for (const endpoint of allEndpoints(cluster)) if (dnsName(endpoint) === undefined) return true;
  return false;
}

function resolvedAssignment(
  cluster: Cluster,
  targets: ReadonlyMap<string, DnsTarget>,
  logical: boolean,
): ClusterLoadAssignment {
  const assignment = clone(messageType(ASSIGNMENT), cluster.loadAssignment!) as ClusterLoadAssignment;
  assignment.clusterName = cluster.name;
  if (logical) {
    for (const { lbEndpoints } of assignment.endpoints) for (const each of lbEndpoints) resolveHost(each, targets);
    return assignment;
  }
  // As in Envoy the same address counts once for each name that leads to it.
  const seen = new Set<string>();
  for (const locality of assignment.endpoints) {
    locality.lbEndpoints = locality.lbEndpoints
      .flatMap((endpoint) => resolveEndpoint(endpoint, targets))
      .filter((endpoint) => {
        const { hostname } = endpoint.hostIdentifier.value as Endpoint;
        const key = `${locality.priority} ${addressKey(endpoint)} ${hostname}`;
        return !seen.has(key) && seen.add(key);
      });
  }
  return assignment;
}

/** One endpoint for each address of its name, which becomes the hostname; a literal is its own name, as in Envoy. */
function resolveEndpoint(endpoint: LbEndpoint, targets: ReadonlyMap<string, DnsTarget>): LbEndpoint[] {
  const socket = socketAddressOf(endpoint);
  if (socket === undefined) return [endpoint];
  const addresses = targets.get(socket.address)?.addresses ?? [socket.address];
  return addresses.map((ip) => {
    const copy = clone(messageType(LB_ENDPOINT), endpoint) as LbEndpoint;
    const host = copy.hostIdentifier.value as Endpoint;
    (host.address!.address.value as SocketAddress).address = ip;
    if (host.hostname === '') host.hostname = socket.address;
    return copy;
  });
}

/** LOGICAL_DNS: the endpoint has all addresses of its name. */
function resolveHost(endpoint: LbEndpoint, targets: ReadonlyMap<string, DnsTarget>): void {
  const socket = socketAddressOf(endpoint);
  const [first, ...others] = targets.get(socket?.address ?? '')?.addresses ?? [];
  if (socket === undefined || first === undefined) return;
  const host = endpoint.hostIdentifier.value as Endpoint;
  if (host.hostname === '') host.hostname = socket.address;
  const additional = messageType('envoy.config.endpoint.v3.Endpoint.AdditionalAddress');
  host.additionalAddresses = others.map((ip) => {
    const address = clone(messageType('envoy.config.core.v3.Address'), host.address!) as typeof host.address;
    (address!.address.value as SocketAddress).address = ip;
    return create(additional, { address } as never) as unknown as (typeof host.additionalAddresses)[number];
  });
  socket.address = first;
}

function addressKey(endpoint: LbEndpoint): string {
  const socket = socketAddressOf(endpoint);
  if (socket !== undefined) return `${socket.address} ${socket.portSpecifier.value}`;
  const host = endpoint.hostIdentifier.value as Endpoint;
  return host.address?.address.case === 'pipe' ? host.address.address.value.path : '';
}

/** What descriptors and rules cannot say of clusters (control path, step 2): names, addresses, and what is not served yet. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf } from '../api/registry.ts';
import { ipVersion } from '../common/address.ts';
import { discoveryType, namedTypes } from '../common/discovery_type.ts';
import { rowOf } from './check_supported.ts';
import { isEnvoysExtension } from './extension_points.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';

type Cluster = envoy.config.cluster.v3.Cluster;
type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;
type CustomClusterType = envoy.config.cluster.v3.Cluster_CustomClusterType;

const httpProtocolOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export function checkClusters(clusters: readonly Cluster[], report: Report, origins: Origins): void {
  const seen = new Set<string>();
  for (const cluster of clusters) {
    if (seen.has(cluster.name)) report.errorIn(cluster, 'name', `duplicate cluster '${cluster.name}'`);
    seen.add(cluster.name);
    checkDiscovery(cluster, report, origins);
    if (cluster.loadAssignment !== undefined)
      checkAdditionalAddresses(cluster, 'load_assignment.', cluster.loadAssignment, report);
    checkBindConfig(cluster, report);
    checkMaxRequests(cluster, report, origins);
    checkHealthChecks(cluster, report);
    checkProtocolOptions(cluster, report);
    checkProtocol(cluster, report, origins);
  }
}

function checkHealthChecks(cluster: Cluster, report: Report): void {
  if (cluster.healthChecks.length > 1) {
    report.errorIn(cluster, 'health_checks', 'multiple health checks not supported');
  }
  for (const [i, { timeout, interval }] of cluster.healthChecks.entries()) {
    if (timeout === undefined) report.errorIn(cluster, `health_checks[${i}].timeout`, 'must be given');
    if (interval === undefined) report.errorIn(cluster, `health_checks[${i}].interval`, 'must be given');
  }
}

function checkDiscovery(cluster: Cluster, report: Report, origins: Origins): void {
  const { case: kind, value } = cluster.clusterDiscoveryType;
  if (kind === 'clusterType' && discoveryType(cluster) === undefined) {
    checkClusterType(cluster, value, report);
    const dns = value.typedConfig === undefined ? undefined : origins.content(value.typedConfig as Any);
    if ((dns as AnyMessage | undefined)?.['allAddressesInSingleEndpoint'] === true)
      checkSingleEndpoint(cluster, report);
    checkResolvers(cluster, report);
    return;
  }
  const type = discoveryType(cluster);
  if (cluster.edsClusterConfig !== undefined && type !== Cluster_DiscoveryType.EDS) {
    report.errorIn(cluster, 'eds_cluster_config', 'eds_cluster_config set in a non-EDS cluster');
  }
  if (type === Cluster_DiscoveryType.STATIC) checkAddresses(cluster, report);
  else if (type === Cluster_DiscoveryType.EDS) checkEds(cluster, report);
  else if (type === Cluster_DiscoveryType.LOGICAL_DNS) checkSingleEndpoint(cluster, report);
  checkResolvers(cluster, report);
}

/** The configuration decides what the extension is; only without one the name does. */
function checkClusterType(cluster: Cluster, { name, typedConfig }: CustomClusterType, report: Report): void {
  if (typedConfig === undefined) {
    const reason = `Didn't find a registered cluster factory implementation for name: '${name}'`;
    report.errorIn(cluster, 'cluster_type.name', reason, didYouMean(name, Object.keys(namedTypes)));
  } else if (!typedConfig.typeUrl.endsWith('/envoy.extensions.clusters.dns.v3.DnsCluster')) {
    if (rowOf(typeNameOf(typedConfig.typeUrl)) === undefined) return; // refused by its own name
    report.errorIn(cluster, 'cluster_type.typed_config', `${typedConfig.typeUrl} is no cluster type that is supported`);
  }
}

function checkSingleEndpoint(cluster: Cluster, report: Report): void {
  const endpoints = cluster.loadAssignment?.endpoints ?? [];
  if (endpoints.length === 1 && endpoints[0].lbEndpoints.length === 1) return;
  report.errorIn(
    cluster,
    'load_assignment',
    'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint',
  );
}

/** Name servers and source addresses must be IP literals. */
function checkResolvers(cluster: Cluster, report: Report): void {
  cluster.dnsResolvers.forEach(({ address }, i) => {
    if (address.case === 'socketAddress') checkIp(cluster, `dns_resolvers[${i}]`, address.value.address, report);
  });
}

function checkMaxRequests(cluster: Cluster, report: Report, origins: Origins): void {
  const any = cluster.typedExtensionProtocolOptions[httpProtocolOptions] as Any | undefined;
  if (any === undefined || cluster.maxRequestsPerConnection === undefined) return;
  const options = origins.content(any) as
    | { commonHttpProtocolOptions?: { maxRequestsPerConnection?: number } }
    | undefined;
  if (options?.commonHttpProtocolOptions?.maxRequestsPerConnection === undefined) return;
  report.errorIn(
    cluster,
    'max_requests_per_connection',
    'Only one of max_requests_per_connection from Cluster or HttpProtocolOptions can be specified',
  );
}

function checkBindConfig(cluster: Cluster, report: Report): void {
  const config = cluster.upstreamBindConfig;
  if (config === undefined) return;
  const { sourceAddress: source, extraSourceAddresses, additionalSourceAddresses } = config;
  const field = 'upstream_bind_config';
  const others = [...extraSourceAddresses.map(({ address }) => address), ...additionalSourceAddresses];
  const name = `Cluster ${cluster.name}'s upstream binding config has`;
  if (extraSourceAddresses.length > 0 && additionalSourceAddresses.length > 0) {
    const both = "Can't specify both `extra_source_addresses` and `additional_source_addresses`";
    report.errorIn(cluster, field, `${both} in the ${cluster.name}'s upstream binding config`);
  }
  if (source !== undefined) checkIp(cluster, `${field}.source_address`, source.address, report);
  for (const other of others) {
    if (other !== undefined) checkIp(cluster, `${field}.extra_source_addresses`, other.address, report);
  }
  if (source === undefined) {
    if (others.length === 0) return;
    const reason = `${name} extra/additional source addresses but no source_address. Extra/additional addresses cannot be specified if source_address is not set.`;
    report.errorIn(cluster, field, reason);
  } else if (others.length > 1) {
    const reason = `${name} more than one extra/additional source addresses. Only one extra/additional source can be specified in BindConfig's extra_source_addresses/additional_source_addresses field`;
    report.errorIn(cluster, field, reason);
  } else if (others.some((other) => other !== undefined && ipVersion(other.address) === ipVersion(source.address))) {
    const reason = `${name} two same IP version source addresses. Only two different IP version source addresses can be supported in BindConfig's source_address and extra_source_addresses/additional_source_addresses fields`;
    report.errorIn(cluster, field, reason);
  }
}

function checkIp(owner: object, path: string, ip: string, report: Report): void {
  if (ipVersion(ip) === 0) report.errorIn(owner, path, `malformed IP address: ${ip}`);
}

function checkAddresses(cluster: Cluster, report: Report): void {
  if (cluster.loadAssignment !== undefined) checkLiterals(cluster, 'load_assignment.', cluster.loadAssignment, report);
}

/** An assignment that comes by discovery: whatever the cluster, there are no names in it. */
export function checkAssignment(assignment: Assignment, report: Report): void {
  checkLiterals(assignment, '', assignment, report);
  checkAdditionalAddresses(assignment, '', assignment, report);
}

function checkLiterals(owner: object, before: string, { endpoints }: Assignment, report: Report): void {
  endpoints.forEach((locality, i) => {
    locality.lbEndpoints.forEach(({ hostIdentifier }, j) => {
      const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      if (address?.case !== 'socketAddress') return;
      const { address: ip } = address.value;
      if (ip === '' || ipVersion(ip) !== 0) return;
      const at = `${before}endpoints[${i}].lb_endpoints[${j}].endpoint.address.socket_address.address`;
      const hint = "set the cluster's type to STRICT_DNS to have names resolved";
      report.errorIn(owner, at, `malformed IP address: ${ip}`, hint);
    });
  });
}

/** Names are never resolved here, whatever the type. */
function checkAdditionalAddresses(owner: object, before: string, { endpoints }: Assignment, report: Report): void {
  endpoints.forEach((locality, i) => {
    locality.lbEndpoints.forEach(({ hostIdentifier }, j) => {
      if (hostIdentifier.case !== 'endpoint') return;
      hostIdentifier.value.additionalAddresses.forEach(({ address }, k) => {
        const at = `${before}endpoints[${i}].lb_endpoints[${j}].endpoint.additional_addresses[${k}].address`;
        if (address?.address.case === 'socketAddress')
          checkIp(owner, `${at}.socket_address.address`, address.address.value.address, report);
      });
    });
  });
}

function checkEds(cluster: Cluster, report: Report): void {
  if (cluster.edsClusterConfig?.edsConfig === undefined) {
    report.errorIn(cluster, 'eds_cluster_config', 'cannot create an EDS cluster without an EDS config');
  }
}

function checkProtocolOptions(cluster: Cluster, report: Report): void {
  for (const name of Object.keys(cluster.typedExtensionProtocolOptions)) {
    if (name === httpProtocolOptions) continue;
    const at = `typed_extension_protocol_options["${name}"]`;
    if (isEnvoysExtension(name)) {
      report.errorIn(cluster, at, `${name} is not supported yet`);
      continue;
    }
    const reason = `Didn't find a registered network or http filter or protocol options implementation for name: '${name}'`;
    report.errorIn(cluster, at, reason, didYouMean(name, [httpProtocolOptions]));
  }
}

/** What is chosen by ALPN needs a transport socket that has it. */
function checkProtocol(cluster: Cluster, report: Report, origins: Origins): void {
  const any = cluster.typedExtensionProtocolOptions[httpProtocolOptions] as Any | undefined;
  const options = any === undefined ? undefined : (origins.content(any) as AnyMessage | undefined);
  if (options?.$typeName !== httpProtocolOptions) return;
  const { case: kind } = (options as unknown as envoy.extensions.upstreams.http.v3.HttpProtocolOptions)
    .upstreamProtocolOptions;
  if (kind !== 'autoConfig' || hasAlpn(cluster)) return;
  report.errorIn(
    cluster,
    `typed_extension_protocol_options["${httpProtocolOptions}"].auto_config`,
    `ALPN configured for cluster ${cluster.name} which has a non-ALPN transport socket`,
    'give the cluster a TLS transport_socket, or name the protocol in explicit_http_config',
  );
}

function hasAlpn({ transportSocket, transportSocketMatches }: Cluster): boolean {
  const sockets = [transportSocket, ...transportSocketMatches.map((match) => match.transportSocket)];
  const secured = sockets.filter((socket) => socket !== undefined);
  return secured.length > 0 && secured.every((socket) => isTls(socket) || isUnknown(socket));
}

/** Refused by its name: no need to say that it has no ALPN. */
function isUnknown({ configType }: envoy.config.core.v3.TransportSocket): boolean {
  return configType.case === 'typedConfig' && rowOf(typeNameOf(configType.value.typeUrl)) === undefined;
}

function isTls({ configType }: envoy.config.core.v3.TransportSocket): boolean {
  return configType.case === 'typedConfig' && configType.value.typeUrl.endsWith('.UpstreamTlsContext');
}

/** What descriptors and rules cannot say of clusters (control path, step 2): names, addresses, and what is not served yet. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { ipVersion } from '../common/address.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';

type Cluster = envoy.config.cluster.v3.Cluster;

const httpProtocolOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export function checkClusters(clusters: readonly Cluster[], report: Report, origins: Origins): void {
  const seen = new Set<string>();
  for (const cluster of clusters) {
    if (seen.has(cluster.name)) report.errorIn(cluster, 'name', `duplicate cluster '${cluster.name}'`);
    seen.add(cluster.name);
    checkDiscovery(cluster, report, origins);
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
  if (kind === 'clusterType') {
    const dns = value.typedConfig === undefined ? undefined : origins.content(value.typedConfig as Any);
    if ((dns as AnyMessage | undefined)?.['allAddressesInSingleEndpoint'] === true)
      checkSingleEndpoint(cluster, report);
    checkResolvers(cluster, report);
    return;
  }
  const type = value ?? Cluster_DiscoveryType.STATIC;
  if (type === Cluster_DiscoveryType.STATIC) checkAddresses(cluster, report);
  else if (type === Cluster_DiscoveryType.EDS) checkEds(cluster, report);
  else if (type === Cluster_DiscoveryType.LOGICAL_DNS) checkSingleEndpoint(cluster, report);
  checkResolvers(cluster, report);
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
  const source = cluster.upstreamBindConfig?.sourceAddress;
  if (source !== undefined) checkIp(cluster, 'upstream_bind_config.source_address', source.address, report);
}

function checkIp(cluster: Cluster, path: string, ip: string, report: Report): void {
  if (ipVersion(ip) === 0) report.errorIn(cluster, path, `malformed IP address: ${ip}`);
}

function checkAddresses(cluster: Cluster, report: Report): void {
  cluster.loadAssignment?.endpoints.forEach((locality, i) => {
    locality.lbEndpoints.forEach((lbEndpoint, j) => {
      const endpoint = lbEndpoint.hostIdentifier.case === 'endpoint' ? lbEndpoint.hostIdentifier.value : undefined;
      const address = endpoint?.address?.address;
      if (address?.case !== 'socketAddress' || ipVersion(address.value.address) !== 0 || address.value.address === '')
        return;
      report.errorIn(
        cluster,
        `load_assignment.endpoints[${i}].lb_endpoints[${j}].endpoint.address.socket_address.address`,
        `malformed IP address: ${address.value.address}`,
        "set the cluster's type to STRICT_DNS to have names resolved",
      );
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
    const reason = `Didn't find a registered network or http filter or protocol options implementation for name: '${name}'`;
    report.errorIn(
      cluster,
      `typed_extension_protocol_options["${name}"]`,
      reason,
      didYouMean(name, [httpProtocolOptions]),
    );
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
  return secured.length > 0 && secured.every((socket) => isTls(socket));
}

function isTls({ configType }: envoy.config.core.v3.TransportSocket): boolean {
  return configType.case === 'typedConfig' && configType.value.typeUrl.endsWith('.UpstreamTlsContext');
}

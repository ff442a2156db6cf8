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

/** `used` are the names that a route or a tcp_proxy sends traffic to. */
export function checkClusters(
  clusters: readonly Cluster[],
  used: ReadonlySet<string>,
  report: Report,
  origins: Origins,
): void {
  const seen = new Set<string>();
  for (const cluster of clusters) {
    if (seen.has(cluster.name)) report.errorIn(cluster, 'name', `duplicate cluster '${cluster.name}'`);
    seen.add(cluster.name);
    checkDiscovery(cluster, report, origins);
    checkBindConfig(cluster, report);
    checkMaxRequests(cluster, report, origins);
    if (cluster.healthChecks.length > 0) {
      report.warnIn(
        cluster,
        'health_checks',
        'active health checking is not supported yet, all hosts count as healthy',
      );
    }
    checkProtocolOptions(cluster, report);
    checkProtocol(cluster, used.has(cluster.name), report, origins);
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
    return;
  }
  report.warnIn(cluster, 'type', `EDS is not supported yet: cluster '${cluster.name}' has no hosts`);
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

/** HTTP/2 upstreams matter only where traffic goes; control planes are reached by clusters nothing routes to. */
function checkProtocol(cluster: Cluster, used: boolean, report: Report, origins: Origins): void {
  for (const path of http2Fields(cluster, origins)) {
    if (used) report.errorIn(cluster, path, `HTTP/2 to upstreams is not supported yet (cluster '${cluster.name}')`);
    else
      report.warnIn(
        cluster,
        path,
        `HTTP/2 to upstreams is not supported yet; no route leads to cluster '${cluster.name}'`,
      );
  }
}

function http2Fields(cluster: Cluster, origins: Origins): string[] {
  const paths: string[] = [];
  if (cluster.http2ProtocolOptions !== undefined) paths.push('http2_protocol_options');
  const any = cluster.typedExtensionProtocolOptions[httpProtocolOptions] as Any | undefined;
  const options = any === undefined ? undefined : (origins.content(any) as AnyMessage | undefined);
  if (options?.$typeName !== httpProtocolOptions) return paths;
  const explicit = (options as unknown as envoy.extensions.upstreams.http.v3.HttpProtocolOptions)
    .upstreamProtocolOptions;
  if (explicit.case === 'explicitHttpConfig' && explicit.value.protocolConfig.case === 'http2ProtocolOptions') {
    paths.push(
      `typed_extension_protocol_options["${httpProtocolOptions}"].explicit_http_config.http2_protocol_options`,
    );
  }
  return paths;
}

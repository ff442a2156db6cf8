/** Which resolver a cluster's names are asked of: the system's, name servers of its own, or what the bootstrap says. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { formatIp } from '../common/address.ts';
import { DNS_CARES } from '../common/stats/layouts.ts';
import { type CaresOptions, caresDefaults, caresResolver } from './cares_resolver.ts';
import { dnsSettings } from './dns_settings.ts';
import type { DnsResolver } from './resolver.ts';

type Cluster = envoy.config.cluster.v3.Cluster;
type Address = envoy.config.core.v3.Address;
type ResolutionConfig = envoy.config.core.v3.DnsResolutionConfig;

const cares = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const getaddrinfo = 'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig';
/** What getaddrinfo does not tell; Envoy's figure for its addresses. */
const getaddrinfoTtl = 60;

interface CaresMessage {
  resolvers: Address[];
  useResolversAsFallback: boolean;
  dnsResolverOptions: { noDefaultSearchDomain: boolean } | undefined;
  queryTimeoutSeconds: bigint | undefined;
  queryTries: number | undefined;
}

/** What the bootstrap says of all clusters. */
export interface ResolverDefaults {
  readonly dnsResolutionConfig?: ResolutionConfig;
  readonly typedDnsResolverConfig?: { readonly typedConfig?: Any };
}

export type ResolverOf = (cluster: Cluster) => DnsResolver;

/** `system` is used where nothing else is asked for; it is not asked when the TTL of answers matters. */
export function chooseResolver(system: DnsResolver, defaults: ResolverDefaults, counts: Float64Array): ResolverOf {
  const made = new Map<string, DnsResolver>();
  const byCares = (options: CaresOptions): DnsResolver => {
    const key = JSON.stringify(options);
    let resolver = made.get(key);
    if (resolver === undefined) {
      resolver = counted(caresResolver(options), counts);
      made.set(key, resolver);
    }
    return resolver;
  };
  const byMessage = (any: Any): DnsResolver | undefined => {
    if (any.typeUrl.endsWith(getaddrinfo)) return withTtl(system, getaddrinfoTtl);
    return any.typeUrl.endsWith(cares) ? byCares(caresOptions(unpackAny(any) as unknown as CaresMessage)) : undefined;
  };
  const plain = counted(system, counts);
  return (cluster) => {
    const settings = dnsSettings(cluster);
    const typed = settings?.typedResolver;
    if (typed !== undefined) return byMessage(typed) ?? plain;
    const servers = cluster.dnsResolutionConfig?.resolvers ?? cluster.dnsResolvers;
    if (servers.length > 0) return byCares(resolutionOptions(servers, cluster.dnsResolutionConfig));
    const general = defaults.typedDnsResolverConfig?.typedConfig;
    if (general !== undefined) return byMessage(general) ?? plain;
    const { dnsResolutionConfig } = defaults;
    if (dnsResolutionConfig !== undefined) {
      return byCares(resolutionOptions(dnsResolutionConfig.resolvers, dnsResolutionConfig));
    }
    return settings?.respectTtl === true ? byCares(caresDefaults) : plain;
  };
}

function resolutionOptions(resolvers: readonly Address[], config: ResolutionConfig | undefined): CaresOptions {
  return {
    ...caresDefaults,
    servers: resolvers.flatMap(serverOf),
    searchDomains: config?.dnsResolverOptions?.noDefaultSearchDomain !== true,
  };
}

function caresOptions(message: CaresMessage): CaresOptions {
  const { queryTimeoutSeconds, queryTries } = message;
  return {
    servers: message.resolvers.flatMap(serverOf),
    fallback: message.useResolversAsFallback,
    timeout: queryTimeoutSeconds === undefined ? caresDefaults.timeout : Number(queryTimeoutSeconds) * 1000,
    tries: queryTries ?? caresDefaults.tries,
    searchDomains: message.dnsResolverOptions?.noDefaultSearchDomain !== true,
  };
}

function serverOf({ address }: Address): string[] {
  if (address.case !== 'socketAddress') return [];
  const { portSpecifier, address: ip } = address.value;
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
  return [formatIp(ip, port === 0 ? 53 : port)];
}

function withTtl(resolver: DnsResolver, ttl: number): DnsResolver {
  return {
    resolve: (name, family, done) =>
      resolver.resolve(name, family, (answer) => done(answer.ok ? { ...answer, ttl } : answer)),
  };
}

/** Keeps `dns.cares.`: Envoy's resolver is c-ares unless it is told otherwise. */
function counted(resolver: DnsResolver, counts: Float64Array): DnsResolver {
  const { slot } = DNS_CARES;
  return {
    resolve(name, family, done) {
      counts[slot.resolve_total]++;
      counts[slot.pending_resolutions]++;
      resolver.resolve(name, family, (answer) => {
        counts[slot.pending_resolutions]--;
        if (answer.ok) {
          if (answer.addresses.length === 0) counts[slot.not_found]++;
        } else counts[answer.reason === 'ETIMEOUT' ? slot.timeouts : slot.get_addr_failure]++;
        done(answer);
      });
    },
  };
}

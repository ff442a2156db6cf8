/** Step 8 of the data path: the settings of a cluster message as numbers, with Envoy's defaults where it leaves a field out. */
import type { HeaderSpelling } from '../../native-free/headers/header_spelling.ts';
import type { ResponseDecoderOptions } from '../../native-free/http1/response_decoder.ts';
import type { Http2Options } from '../../native-free/http2/codec.ts';
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { addressOfMessage, ipVersion } from '../common/address.ts';
import { discoveryType } from '../common/discovery_type.ts';
import { durationMs } from '../common/duration.ts';
import { compileHeaderKeyFormat } from '../common/header_key_format.ts';
import { compileKeepalive, type KeepaliveOptions } from '../common/http2_keepalive.ts';
import { http2Options } from '../common/http2_options.ts';
import type { ConnectOptions, KeepAlive } from '../net/connect.ts';
import { type HttpOptionMessages, httpOptionMessages } from './http_options.ts';
import { loadBalancing } from './load_balancing_policy.ts';
import type { BalancerOptions } from './priority_set.ts';
import type { SlowStartSettings } from './slow_start.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;

const defaultConnectTimeout = 5000;
const defaultIdleTimeout = 3_600_000;
const defaultBufferLimit = 1024 * 1024;
/** Upstream response heads: 80 KiB and 100 fields, as the binary measured. */
const defaultResponseHeadKb = 80;
const defaultMaxHeaders = 100;
const defaultPanicThreshold = 50;

export interface ClusterOptions {
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds an idle connection is kept; 0: for ever. */
  readonly idleTimeout: number;
  /** Milliseconds after which a connection takes no further request; 0: for ever. */
  readonly maxConnectionDuration: number;
  /** Milliseconds a request may take on its connection; 0: for ever. */
  readonly maxStreamDuration: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  /** Connections wanted for each request, 1 to 3: more than 1 opens some before they are needed. */
  readonly preconnectRatio: number;
  /** The same over all hosts, at those the balancer would choose next. */
  readonly predictiveRatio: number;
  readonly connect: ConnectOptions;
  /** In which order the addresses of a host are tried. */
  readonly happyEyeballs: envoy.config.cluster.v3.UpstreamConnectionOptions_HappyEyeballsConfig | undefined;
  readonly protocol: HttpOptionMessages['protocol'];
  /** For connections that speak HTTP/2; undefined when none can. */
  readonly http2: Http2Options | undefined;
  readonly http2Keepalive: KeepaliveOptions | undefined;
  /** `upstream_http_protocol_options`: what TLS takes from the request. */
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
  /** The header that goes before the host of the request, in lower case; empty: none. */
  readonly autoSniHeader: string;
  /** The HTTP/1 options of connections to hosts. */
  readonly http1: envoy.config.core.v3.Http1ProtocolOptions | undefined;
  readonly response: ResponseDecoderOptions & { readonly enableTrailers: boolean };
  /** For requests whose names have no spelling of their own; undefined: lower case. */
  readonly headerSpelling: HeaderSpelling | undefined;
  /** All addresses of its one name are one host; new connections go to the one that was last given (LOGICAL_DNS). */
  readonly logicalHost: boolean;
  /** Requests name scheme and host before the path, as another proxy wants them. */
  readonly fullyQualifiedUrl: boolean;
  readonly closeConnectionsOnHostSetChange: boolean;
  readonly slowStart: SlowStartSettings | undefined;
  /** Connections are not shared between the connections of clients. */
  readonly poolPerClient: boolean;
}

export function clusterOptions(message: ClusterMessage): ClusterOptions {
  const { protocol, common, http1, http2, upstream } = httpOptionMessages(message);
  const keyFormat = compileHeaderKeyFormat(http1);
  const maxHeadBytes = (common?.maxResponseHeadersKb ?? defaultResponseHeadKb) * 1024;
  const maxHeaders = common?.maxHeadersCount ?? defaultMaxHeaders;
  const bufferLimit = message.perConnectionBufferLimitBytes ?? defaultBufferLimit;
  return {
    connectTimeout: durationMs(message.connectTimeout) ?? defaultConnectTimeout,
    idleTimeout: durationMs(common?.idleTimeout) ?? defaultIdleTimeout,
    maxConnectionDuration: durationMs(common?.maxConnectionDuration) ?? 0,
    maxStreamDuration: durationMs(common?.maxStreamDuration) ?? 0,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? message.maxRequestsPerConnection ?? 0,
    preconnectRatio: message.preconnectPolicy?.perUpstreamPreconnectRatio ?? 1,
    predictiveRatio: message.preconnectPolicy?.predictivePreconnectRatio ?? 1,
    connect: {
      bufferLimit,
      keepAlive: keepAlive(message),
      ...sources(message.upstreamBindConfig),
    },
    happyEyeballs: message.upstreamConnectionOptions?.happyEyeballsConfig,
    protocol,
    http2:
      protocol === 'http1' ? undefined : http2Options(http2, { maxHeaderBytes: maxHeadBytes, maxHeaders, bufferLimit }),
    http2Keepalive: compileKeepalive(http2?.connectionKeepalive),
    autoSni: upstream?.autoSni ?? false,
    autoSanValidation: upstream?.autoSanValidation ?? false,
    autoSniHeader: upstream?.overrideAutoSniHeader.toLowerCase() ?? '',
    http1,
    response: {
      maxHeadBytes,
      maxHeaders,
      enableTrailers: http1?.enableTrailers ?? false,
      preserveCase: keyFormat.preserveCase,
      forwardReason: keyFormat.forwardReason,
    },
    headerSpelling: keyFormat.spelling,
    logicalHost: isLogicalDns(message),
    fullyQualifiedUrl: http1?.sendFullyQualifiedUrl ?? false,
    poolPerClient: message.connectionPoolPerDownstreamConnection,
    slowStart: loadBalancing(message).slowStart,
    closeConnectionsOnHostSetChange: message.commonLbConfig?.closeConnectionsOnHostSetChange ?? false,
  };
}

export function balancerOptions(
  message: ClusterMessage,
  policy: envoy.config.endpoint.v3.ClusterLoadAssignment_Policy | undefined,
): BalancerOptions {
  const common = message.commonLbConfig;
  const panic = common?.healthyPanicThreshold?.value ?? defaultPanicThreshold;
  return {
    ...loadBalancing(message),
    // The threshold is a whole number in Envoy, whatever the fraction.
    panicThreshold: Math.min(100, Math.floor(panic)),
    overprovisioningFactor: policy?.overprovisioningFactor ?? 140,
    weightedPriorityHealth: policy?.weightedPriorityHealth ?? false,
  };
}

/** LOGICAL_DNS, or `envoy.cluster.dns` with all addresses in one endpoint. */
function isLogicalDns(message: ClusterMessage): boolean {
  const { case: kind, value } = message.clusterDiscoveryType;
  const type = discoveryType(message);
  if (type !== undefined) return type === Cluster_DiscoveryType.LOGICAL_DNS;
  if (kind !== 'clusterType' || value.typedConfig === undefined) return false;
  return (
    (unpackAny(value.typedConfig) as { allAddressesInSingleEndpoint?: boolean }).allAddressesInSingleEndpoint === true
  );
}

/** Linux' own figures where a field is absent: tcp(7). */
function keepAlive(message: ClusterMessage): KeepAlive | undefined {
  const options = message.upstreamConnectionOptions?.tcpKeepalive;
  if (options === undefined) return undefined;
  return {
    time: options.keepaliveTime ?? 7200,
    interval: options.keepaliveInterval ?? 75,
    probes: options.keepaliveProbes ?? 9,
  };
}

/** One source address for each IP version; port 0 lets the system choose. */
function sources(config: envoy.config.core.v3.BindConfig | undefined): Pick<ConnectOptions, 'source4' | 'source6'> {
  const found: { source4?: ConnectOptions['source4']; source6?: ConnectOptions['source6'] } = {};
  const extra = config?.extraSourceAddresses.map(({ address }) => address) ?? [];
  const all = [config?.sourceAddress, ...extra, ...(config?.additionalSourceAddresses ?? [])];
  for (const socketAddress of all) {
    if (socketAddress === undefined) continue;
    const address = addressOfMessage({ address: { case: 'socketAddress', value: socketAddress } } as never);
    if (ipVersion(address.ip) === 6) found.source6 ??= address;
    else found.source4 ??= address;
  }
  return found;
}

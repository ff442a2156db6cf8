/** The settings of an HTTP connection manager, compiled once from its message; defaults are Envoy's. */
import type { HeaderSpelling } from '../../native-free/headers/header_spelling.ts';
import type { RequestDecoderOptions } from '../../native-free/http1/codec.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { compileHeaderKeyFormat } from '../common/header_key_format.ts';
import { localAddress } from '../common/local_address.ts';
import { HTTP, HTTP1, LISTENER_HTTP } from '../common/stats/layouts.ts';
import type { RouteTable } from '../router/route_table.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { FilterMaker } from '../spi/http_filter.ts';
import type { Histogram } from '../spi/stats.ts';
import type { ListenerInfo, WorkerContext } from '../spi/worker_context.ts';
import { compileEarlyHeaderMutation, type EarlyHeaderMutation } from './early_header_mutation.ts';
import { InternalAddresses } from './internal_addresses.ts';
import { LocalReplyConfig } from './local_reply_config.ts';
import { compileOriginalIpDetection, type OriginalIpDetection } from './original_ip.ts';
import type { UpgradeConfigs } from './upgrades.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

export interface HttpConnectionManagerConfig {
  readonly statPrefix: string;
  readonly stats: Float64Array;
  readonly listenerStats: Float64Array;
  /** Of all server codecs. */
  readonly http1Stats: Float64Array;
  readonly requestTime: Histogram;
  readonly connectionLength: Histogram;
  readonly routes: RouteTable | undefined;
  readonly filters: readonly FilterMaker[];
  /** Routes switch filters on or off, or some are off by default. */
  readonly switchesFilters: boolean;
  readonly accessLoggers: readonly AccessLogger[];
  readonly flushAccessLogOnNewRequest: boolean;
  readonly flushLogOnTunnelSuccessfullyEstablished: boolean;
  /** Milliseconds between entries of a running stream; 0: none. */
  readonly accessLogFlushInterval: number;
  readonly decoder: RequestDecoderOptions;
  /** For answers whose names have no spelling of their own; undefined: lower case. */
  readonly headerSpelling: HeaderSpelling | undefined;
  readonly upgrades: UpgradeConfigs;
  readonly serverName: string;
  readonly serverTransformation: 'overwrite' | 'append_if_absent' | 'pass_through';
  readonly via: string;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** Tried in turn where `useRemoteAddress` is off. */
  readonly originalIp: readonly OriginalIpDetection[];
  /** Undefined: no client is internal. */
  readonly internalAddresses: InternalAddresses | undefined;
  readonly appendXForwardedPort: boolean;
  /** `http`, `https`, or empty to leave the scheme as it is. */
  readonly schemeToSet: string;
  /** Stands for a missing User-Agent; empty: none. */
  readonly userAgent: string;
  readonly nodeName: string;
  /** Undefined: nothing to do. */
  readonly earlyHeaderMutation: EarlyHeaderMutation | undefined;
  readonly stripHostPort: 'none' | 'matching' | 'any';
  readonly stripTrailingHostDot: boolean;
  /** Undefined: answers of our own go out as they are made. */
  readonly localReply: LocalReplyConfig | undefined;
  /** The machine's first address that is not loopback. */
  readonly localAddress: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestId: boolean;
  /** The request id may be changed to tell whether the request is traced. */
  readonly packTraceReason: boolean;
  /** Milliseconds; 0: off. */
  readonly streamIdleTimeout: number;
  readonly requestTimeout: number;
  readonly requestHeadersTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  /** After it the connection ends with an answer only. */
  readonly safeMaxConnectionDuration: boolean;
  readonly maxStreamDuration: number;
  readonly delayedCloseTimeout: number;
  readonly drainTimeout: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: number;
  readonly proxy100Continue: boolean;
  /** Bytes kept for one stream in one direction. */
  readonly bufferLimit: number;
}

const transformations = ['overwrite', 'append_if_absent', 'pass_through'] as const;
const underscores = ['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'] as const;

export function compileConfig(
  message: Message,
  context: WorkerContext,
  listener: ListenerInfo,
  filters: readonly FilterMaker[],
  upgrades: UpgradeConfigs,
): HttpConnectionManagerConfig {
  const prefix = `http.${message.statPrefix}.`;
  const common = message.commonHttpProtocolOptions;
  const http1 = message.httpProtocolOptions;
  const keyFormat = compileHeaderKeyFormat(http1);
  const { routeSpecifier, accessLogOptions: logs } = message;
  const http1Stats = context.stats.block(HTTP1, 'http1.');
  const routes = routeSpecifier.case === 'routeConfig' ? context.compileRoutes(routeSpecifier.value) : undefined;
  return {
    statPrefix: message.statPrefix,
    stats: context.stats.block(HTTP, prefix),
    listenerStats: context.stats.block(LISTENER_HTTP, `${listener.statPrefix}http.${message.statPrefix}.`),
    http1Stats,
    requestTime: context.stats.histogram(`${prefix}downstream_rq_time`),
    connectionLength: context.stats.histogram(`${prefix}downstream_cx_length_ms`),
    routes,
    filters,
    switchesFilters: routes?.switchesFilters === true || filters.some((filter) => filter.disabled),
    accessLoggers: context.accessLoggers(message.accessLog),
    flushAccessLogOnNewRequest: logs?.flushAccessLogOnNewRequest ?? message.flushAccessLogOnNewRequest,
    flushLogOnTunnelSuccessfullyEstablished: logs?.flushLogOnTunnelSuccessfullyEstablished ?? false,
    accessLogFlushInterval: durationMs(logs?.accessLogFlushInterval ?? message.accessLogFlushInterval) ?? 0,
    decoder: {
      maxHeadBytes: (message.maxRequestHeadersKb ?? 60) * 1024,
      maxHeaders: common?.maxHeadersCount ?? 100,
      acceptHttp10: http1?.acceptHttp10 ?? false,
      defaultHostForHttp10: http1?.defaultHostForHttp10 ?? '',
      enableTrailers: http1?.enableTrailers ?? false,
      allowAbsoluteUrl: http1?.allowAbsoluteUrl ?? true,
      headersWithUnderscores: underscores[common?.headersWithUnderscoresAction ?? 0],
      onHeaderDropped: () => http1Stats[HTTP1.slot.dropped_headers_with_underscores]++,
      preserveCase: keyFormat.preserveCase,
    },
    headerSpelling: keyFormat.spelling,
    upgrades,
    serverName: message.serverName || 'envoy',
    serverTransformation: transformations[message.serverHeaderTransformation],
    via: message.via,
    useRemoteAddress: message.useRemoteAddress ?? false,
    xffNumTrustedHops: message.xffNumTrustedHops,
    skipXffAppend: message.skipXffAppend,
    originalIp: compileOriginalIpDetection(message.originalIpDetectionExtensions, message.xffNumTrustedHops),
    internalAddresses:
      message.internalAddressConfig === undefined ? undefined : new InternalAddresses(message.internalAddressConfig),
    appendXForwardedPort: message.appendXForwardedPort,
    schemeToSet: message.schemeHeaderTransformation?.transformation.value ?? '',
    userAgent: message.addUserAgent === true ? context.serviceCluster : '',
    nodeName: context.serviceNode,
    earlyHeaderMutation: compileEarlyHeaderMutation(message.earlyHeaderMutationExtensions),
    stripHostPort: stripHostPort(message),
    stripTrailingHostDot: message.stripTrailingHostDot,
    localReply:
      message.localReplyConfig === undefined
        ? undefined
        : new LocalReplyConfig(message.localReplyConfig, context.runtime),
    localAddress: localAddress(),
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestId: message.alwaysSetRequestIdInResponse,
    packTraceReason: packsTraceReason(message),
    streamIdleTimeout: durationMs(message.streamIdleTimeout) ?? 300_000,
    requestTimeout: durationMs(message.requestTimeout) ?? 0,
    requestHeadersTimeout: durationMs(message.requestHeadersTimeout) ?? 0,
    idleTimeout: durationMs(common?.idleTimeout) ?? 3_600_000,
    maxConnectionDuration: durationMs(common?.maxConnectionDuration) ?? 0,
    safeMaxConnectionDuration: message.http1SafeMaxConnectionDuration,
    maxStreamDuration: durationMs(common?.maxStreamDuration) ?? 0,
    delayedCloseTimeout: durationMs(message.delayedCloseTimeout) ?? 1000,
    drainTimeout: durationMs(message.drainTimeout) ?? 5000,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    normalizePath: message.normalizePath ?? false,
    mergeSlashes: message.mergeSlashes,
    escapedSlashes: message.pathWithEscapedSlashesAction,
    proxy100Continue: message.proxy100Continue,
    bufferLimit: listener.bufferLimit,
  };
}

function stripHostPort(message: Message): 'none' | 'matching' | 'any' {
  if (message.stripPortMode.case === 'stripAnyHostPort' && message.stripPortMode.value) return 'any';
  return message.stripMatchingHostPort ? 'matching' : 'none';
}

function packsTraceReason(message: Message): boolean {
  const any = message.requestIdExtension?.typedConfig;
  if (any === undefined) return true;
  return unpackAny(any, 'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig').packTraceReason ?? true;
}

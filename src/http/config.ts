/** The settings of an HTTP connection manager, compiled once from its message; defaults are Envoy's. */
import type { HeaderSpelling } from '../../native-free/headers/header_spelling.ts';
import type { RequestDecoderOptions } from '../../native-free/http1/codec.ts';
import type { Http2Options } from '../../native-free/http2/codec.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { compileHeaderKeyFormat } from '../common/header_key_format.ts';
import { compileKeepalive, type KeepaliveOptions } from '../common/http2_keepalive.ts';
import { localAddress } from '../common/local_address.ts';
import type { Runtime } from '../common/runtime.ts';
import { HTTP, HTTP1, HTTP2, http2Histograms, LISTENER_HTTP } from '../common/stats/layouts.ts';
import type { ScopedRouteTables } from '../router/scoped_routes.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { FilterMaker } from '../spi/http_filter.ts';
import type { Histogram } from '../spi/stats.ts';
import type { ListenerInfo, RouteHolder, WorkerContext } from '../spi/worker_context.ts';
import type { CodecType } from './codec_choice.ts';
import { compileEarlyHeaderMutation, type EarlyHeaderMutation } from './early_header_mutation.ts';
import { compileForwardClientCert, type ForwardClientCert } from './forward_client_cert.ts';
import { compileHttp2Options } from './http2_options.ts';
import { InternalAddresses } from './internal_addresses.ts';
import { LocalReplyConfig } from './local_reply_config.ts';
import { compileOriginalIpDetection, type OriginalIpDetection } from './original_ip.ts';
import type { UpgradeConfigs } from './upgrades.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

export interface HttpConnectionManagerConfig {
  readonly statPrefix: string;
  readonly stats: Float64Array;
  readonly listenerStats: Float64Array;
  readonly codecType: CodecType;
  readonly runtime: Runtime;
  /** Of all server codecs. */
  readonly http1Stats: Float64Array;
  readonly http2Stats: Float64Array;
  readonly requestTime: Histogram;
  readonly connectionLength: Histogram;
  /** Discovered routes change while connections last: each request finds those of its time. */
  readonly routes: RouteHolder;
  /** Instead of `routes`: each request has those of its scope. */
  readonly scopedRoutes: ScopedRouteTables | undefined;
  readonly filters: readonly FilterMaker[];
  /** Some filters are off by default, or the routes of a scope may switch them: see `switchesFilters`. */
  readonly filtersVary: boolean;
  readonly accessLoggers: readonly AccessLogger[];
  readonly flushAccessLogOnNewRequest: boolean;
  readonly flushLogOnTunnelSuccessfullyEstablished: boolean;
  /** Milliseconds between entries of a running stream; 0: none. */
  readonly accessLogFlushInterval: number;
  readonly decoder: RequestDecoderOptions;
  readonly http2: Http2Options;
  /** Undefined: no pings. */
  readonly keepalive: KeepaliveOptions | undefined;
  /** A malformed message ends its stream, or with HTTP/1 its answer, and not the connection. */
  readonly streamErrorOnInvalidMessage: boolean;
  /** For answers whose names have no spelling of their own; undefined: lower case. */
  readonly headerSpelling: HeaderSpelling | undefined;
  readonly upgrades: UpgradeConfigs;
  readonly serverName: string;
  readonly serverTransformation: 'overwrite' | 'append_if_absent' | 'pass_through';
  readonly via: string;
  /** Undefined: x-forwarded-client-cert is taken out. */
  readonly forwardClientCert: ForwardClientCert | undefined;
  readonly useRemoteAddress: boolean;
  readonly validatesScheme: boolean;
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
  /** How long the end of an answer may wait for its client; HTTP/2. */
  readonly streamFlushTimeout: number;
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

const codecTypes = ['AUTO', 'HTTP1', 'HTTP2'] as const;
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
  for (const name of http2Histograms) context.stats.histogram(`http2.${name}`);
  const routes = routesOf(routeSpecifier, context);
  const scopedRoutes = routeSpecifier.case === 'scopedRoutes' ? context.scopedRoutes(routeSpecifier.value) : undefined;
  const offByDefault = filters.some((filter) => filter.disabled);
  return {
    statPrefix: message.statPrefix,
    stats: context.stats.block(HTTP, prefix),
    listenerStats: context.stats.block(LISTENER_HTTP, `${listener.statPrefix}http.${message.statPrefix}.`),
    codecType: codecTypes[message.codecType],
    runtime: context.runtime,
    http1Stats,
    http2Stats: context.stats.block(HTTP2, 'http2.'),
    requestTime: context.stats.histogram(`${prefix}downstream_rq_time`),
    connectionLength: context.stats.histogram(`${prefix}downstream_cx_length_ms`),
    // No accessors in here: they would make this object, which every request reads all over, a slow one for V8.
    routes,
    scopedRoutes,
    filters,
    filtersVary: offByDefault || scopedRoutes !== undefined,
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
      allowCustomMethods: http1?.allowCustomMethods ?? false,
      headersWithUnderscores: underscores[common?.headersWithUnderscoresAction ?? 0],
      onHeaderDropped: () => http1Stats[HTTP1.slot.dropped_headers_with_underscores]++,
      preserveCase: keyFormat.preserveCase,
    },
    http2: compileHttp2Options(message, listener.bufferLimit),
    keepalive: compileKeepalive(message.http2ProtocolOptions?.connectionKeepalive),
    streamErrorOnInvalidMessage: message.streamErrorOnInvalidHttpMessage ?? false,
    headerSpelling: keyFormat.spelling,
    upgrades,
    serverName: message.serverName || 'envoy',
    serverTransformation: transformations[message.serverHeaderTransformation],
    via: message.via,
    forwardClientCert: compileForwardClientCert(message),
    useRemoteAddress: message.useRemoteAddress ?? false,
    validatesScheme: message.useRemoteAddress === true && message.xffNumTrustedHops === 0,
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
        : new LocalReplyConfig(message.localReplyConfig, {
            runtime: context.runtime,
            extension: (config) => context.extension(config),
          }),
    localAddress: localAddress(),
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestId: message.alwaysSetRequestIdInResponse,
    packTraceReason: packsTraceReason(message),
    streamIdleTimeout: durationMs(message.streamIdleTimeout) ?? 300_000,
    streamFlushTimeout: durationMs(message.streamFlushTimeout ?? message.streamIdleTimeout) ?? 300_000,
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

/** Routes switch filters on or off, or some are off by default. */
export function switchesFilters({ filtersVary, routes }: HttpConnectionManagerConfig): boolean {
  return filtersVary || routes.table?.switchesFilters === true;
}

function routesOf(specifier: Message['routeSpecifier'], context: WorkerContext): RouteHolder {
  if (specifier.case === 'rds') return context.discoveredRoutes(specifier.value);
  return { table: specifier.case === 'routeConfig' ? context.compileRoutes(specifier.value) : undefined };
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

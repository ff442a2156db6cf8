/** What extensions were called in v1 and v2, and the type of their configuration today (control path, step 1). */

export type Category =
  | 'network'
  | 'http'
  | 'listener'
  | 'access_log'
  | 'transport_socket'
  | 'stat_sink'
  | 'tracer'
  | 'other';

export interface KnownExtension {
  /** Today's well-known name. */
  readonly name: string;
  /** Empty when the extension is gone from Envoy's API. */
  readonly type: string;
  /** Of its configuration for a route, where it has one. */
  readonly routeType?: string;
}

const network = (name: string, message: string, version = 'v3'): readonly string[] => [
  name,
  `envoy.filters.network.${name}`,
  `envoy.extensions.filters.network.${name}.${version}.${message}`,
];
const http = (v1: string, name: string, message: string, perRoute = ''): readonly string[] => [
  v1,
  `envoy.filters.http.${name}`,
  message === '' ? '' : `envoy.extensions.filters.http.${name}.v3.${message}`,
  perRoute === '' ? '' : `envoy.extensions.filters.http.${name}.v3.${perRoute}`,
];
const listener = (name: string, message: string): readonly string[] => [
  `listener.${name}`,
  `envoy.filters.listener.${name}`,
  `envoy.extensions.filters.listener.${name}.v3.${message}`,
];

/** Of each: its v1 name (v2 put `envoy.` before it), its name today, its type, its type for routes. */
const tables: Readonly<Record<Category, readonly (readonly string[])[]>> = {
  network: [
    network('http_connection_manager', 'HttpConnectionManager'),
    network('tcp_proxy', 'TcpProxy'),
    network('echo', 'Echo'),
    network('redis_proxy', 'RedisProxy'),
    network('mongo_proxy', 'MongoProxy'),
    network('ratelimit', 'RateLimit'),
    network('client_ssl_auth', 'ClientSSLAuth'),
    network('ext_authz', 'ExtAuthz'),
    network('rbac', 'RBAC'),
    network('thrift_proxy', 'ThriftProxy'),
    network('dubbo_proxy', 'DubboProxy'),
    network('mysql_proxy', 'MySQLProxy'),
    network('zookeeper_proxy', 'ZooKeeperProxy'),
    network('kafka_broker', 'KafkaBroker'),
    network('sni_cluster', 'SniCluster'),
    network('local_ratelimit', 'LocalRateLimit'),
  ],
  http: [
    http('router', 'router', 'Router'),
    http('buffer', 'buffer', 'Buffer', 'BufferPerRoute'),
    http('cors', 'cors', 'Cors', 'CorsPolicy'),
    http('csrf', 'csrf', 'CsrfPolicy', 'CsrfPolicy'),
    http('fault', 'fault', 'HTTPFault', 'HTTPFault'),
    http('health_check', 'health_check', 'HealthCheck'),
    http('rate_limit', 'ratelimit', 'RateLimit', 'RateLimitPerRoute'),
    http('lua', 'lua', 'Lua', 'LuaPerRoute'),
    http('gzip', 'gzip', 'Gzip'),
    http('squash', 'squash', ''),
    http('ip_tagging', 'ip_tagging', 'IPTagging'),
    http('http_dynamo_filter', 'dynamo', 'Dynamo'),
    http('grpc_http1_bridge', 'grpc_http1_bridge', 'Config'),
    http('grpc_json_transcoder', 'grpc_json_transcoder', 'GrpcJsonTranscoder', 'GrpcJsonTranscoder'),
    http('grpc_web', 'grpc_web', 'GrpcWeb'),
    http('ext_authz', 'ext_authz', 'ExtAuthz', 'ExtAuthzPerRoute'),
    http('filters.http.rbac', 'rbac', 'RBAC', 'RBACPerRoute'),
    http('filters.http.jwt_authn', 'jwt_authn', 'JwtAuthentication', 'PerRouteConfig'),
    http('filters.http.header_to_metadata', 'header_to_metadata', 'Config', 'Config'),
    http('filters.http.tap', 'tap', 'Tap'),
    http('filters.http.adaptive_concurrency', 'adaptive_concurrency', 'AdaptiveConcurrency'),
    http('filters.http.grpc_stats', 'grpc_stats', 'FilterConfig'),
    http('filters.http.grpc_http1_reverse_bridge', 'grpc_http1_reverse_bridge', 'FilterConfig', 'FilterConfigPerRoute'),
    http('filters.http.original_src', 'original_src', 'OriginalSrc'),
    http('filters.http.dynamic_forward_proxy', 'dynamic_forward_proxy', 'FilterConfig', 'PerRouteConfig'),
  ],
  listener: [
    listener('tls_inspector', 'TlsInspector'),
    listener('http_inspector', 'HttpInspector'),
    listener('proxy_protocol', 'ProxyProtocol'),
    listener('original_dst', 'OriginalDst'),
    listener('original_src', 'OriginalSrc'),
  ],
  access_log: [
    ['file_access_log', 'envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog'],
    [
      'http_grpc_access_log',
      'envoy.access_loggers.http_grpc',
      'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
    ],
    [
      'tcp_grpc_access_log',
      'envoy.access_loggers.tcp_grpc',
      'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
    ],
  ],
  transport_socket: [
    ['raw_buffer', 'envoy.transport_sockets.raw_buffer', 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'],
    ['transport_sockets.alts', 'envoy.transport_sockets.alts', 'envoy.extensions.transport_sockets.alts.v3.Alts'],
    ['transport_sockets.tap', 'envoy.transport_sockets.tap', 'envoy.extensions.transport_sockets.tap.v3.Tap'],
  ],
  stat_sink: [
    ['statsd', 'envoy.stat_sinks.statsd', 'envoy.config.metrics.v3.StatsdSink'],
    ['dog_statsd', 'envoy.stat_sinks.dog_statsd', 'envoy.config.metrics.v3.DogStatsdSink'],
    ['stat_sinks.hystrix', 'envoy.stat_sinks.hystrix', 'envoy.config.metrics.v3.HystrixSink'],
    ['metrics_service', 'envoy.stat_sinks.metrics_service', 'envoy.config.metrics.v3.MetricsServiceConfig'],
  ],
  tracer: [
    ['lightstep', 'envoy.tracers.lightstep', 'envoy.config.trace.v3.LightstepConfig'],
    ['zipkin', 'envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig'],
    ['dynamic.ot', 'envoy.tracers.dynamic_ot', 'envoy.config.trace.v3.DynamicOtConfig'],
    ['tracers.datadog', 'envoy.tracers.datadog', 'envoy.config.trace.v3.DatadogConfig'],
  ],
  other: [
    [
      'retry_host_predicates.previous_hosts',
      'envoy.retry_host_predicates.previous_hosts',
      'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    ],
    [
      'retry_host_predicates.omit_canary_hosts',
      'envoy.retry_host_predicates.omit_canary_hosts',
      'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate',
    ],
    [
      'retry_priorities.previous_priorities',
      'envoy.retry_priorities.previous_priorities',
      'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
    ],
    ['health_checkers.redis', 'envoy.health_checkers.redis', 'envoy.extensions.health_checkers.redis.v3.Redis'],
    [
      'resource_monitors.fixed_heap',
      'envoy.resource_monitors.fixed_heap',
      'envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig',
    ],
  ],
};

/** By a v1 name: without `envoy.`. */
export function extensionOfV1(category: Category, name: string): KnownExtension | undefined {
  const row = tables[category].find(([v1]) => v1 === name);
  return row === undefined ? undefined : extensionOf(row);
}

/** By a v2 name, or by today's. */
export function extensionOfV2(category: Category, name: string): KnownExtension | undefined {
  const row = tables[category].find(
    ([v1, v3]) => v3 === name || `envoy.${v1}` === name || (v1 === name && category === 'transport_socket'),
  );
  return row === undefined ? undefined : extensionOf(row);
}

/** Every row, for tests. */
export function allExtensions(): KnownExtension[] {
  return Object.values(tables).flatMap((rows) => rows.map(extensionOf));
}

function extensionOf([, name, type, routeType]: readonly string[]): KnownExtension {
  return routeType ? { name, type, routeType } : { name, type };
}

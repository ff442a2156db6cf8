/** The header names that the proxy itself reads or writes, interned once. */
import { type HeaderName, headerName } from './header_name.ts';

// RFC 9110 and its neighbours
export const HOST: HeaderName = headerName('host');
export const CONTENT_LENGTH: HeaderName = headerName('content-length');
export const TRANSFER_ENCODING: HeaderName = headerName('transfer-encoding');
export const CONNECTION: HeaderName = headerName('connection');
export const KEEP_ALIVE: HeaderName = headerName('keep-alive');
export const PROXY_CONNECTION: HeaderName = headerName('proxy-connection');
export const TE: HeaderName = headerName('te');
export const TRAILER: HeaderName = headerName('trailer');
export const UPGRADE: HeaderName = headerName('upgrade');
export const EXPECT: HeaderName = headerName('expect');
export const DATE: HeaderName = headerName('date');
export const SERVER: HeaderName = headerName('server');
export const CONTENT_TYPE: HeaderName = headerName('content-type');
export const LOCATION: HeaderName = headerName('location');
export const USER_AGENT: HeaderName = headerName('user-agent');
export const VIA: HeaderName = headerName('via');
export const REFERER: HeaderName = headerName('referer');
export const RETRY_AFTER: HeaderName = headerName('retry-after');
export const COOKIE: HeaderName = headerName('cookie');
export const SET_COOKIE: HeaderName = headerName('set-cookie');
export const AUTHORIZATION: HeaderName = headerName('authorization');
export const HTTP2_SETTINGS: HeaderName = headerName('http2-settings');

// Forwarding and tracing
export const X_FORWARDED_FOR: HeaderName = headerName('x-forwarded-for');
export const X_FORWARDED_PROTO: HeaderName = headerName('x-forwarded-proto');
export const X_FORWARDED_HOST: HeaderName = headerName('x-forwarded-host');
export const X_FORWARDED_PORT: HeaderName = headerName('x-forwarded-port');
export const X_FORWARDED_CLIENT_CERT: HeaderName = headerName('x-forwarded-client-cert');
export const X_REQUEST_ID: HeaderName = headerName('x-request-id');
export const X_CLIENT_TRACE_ID: HeaderName = headerName('x-client-trace-id');

// gRPC
export const GRPC_STATUS: HeaderName = headerName('grpc-status');
export const GRPC_MESSAGE: HeaderName = headerName('grpc-message');
export const GRPC_TIMEOUT: HeaderName = headerName('grpc-timeout');

// Envoy's own
export const X_ENVOY_INTERNAL: HeaderName = headerName('x-envoy-internal');
export const X_ENVOY_EXTERNAL_ADDRESS: HeaderName = headerName('x-envoy-external-address');
export const X_ENVOY_DECORATOR_OPERATION: HeaderName = headerName('x-envoy-decorator-operation');
export const X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER: HeaderName = headerName('x-envoy-downstream-service-cluster');
export const X_ENVOY_DOWNSTREAM_SERVICE_NODE: HeaderName = headerName('x-envoy-downstream-service-node');
export const X_ENVOY_EXPECTED_RQ_TIMEOUT_MS: HeaderName = headerName('x-envoy-expected-rq-timeout-ms');
export const X_ENVOY_FORCE_TRACE: HeaderName = headerName('x-envoy-force-trace');
export const X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT: HeaderName = headerName('x-envoy-hedge-on-per-try-timeout');
export const X_ENVOY_IP_TAGS: HeaderName = headerName('x-envoy-ip-tags');
export const X_ENVOY_IS_TIMEOUT_RETRY: HeaderName = headerName('x-envoy-is-timeout-retry');
export const X_ENVOY_MAX_RETRIES: HeaderName = headerName('x-envoy-max-retries');
export const X_ENVOY_ORIGINAL_PATH: HeaderName = headerName('x-envoy-original-path');
export const X_ENVOY_ORIGINAL_HOST: HeaderName = headerName('x-envoy-original-host');
export const X_ENVOY_ORIGINAL_URL: HeaderName = headerName('x-envoy-original-url');
export const X_ENVOY_RETRIABLE_HEADER_NAMES: HeaderName = headerName('x-envoy-retriable-header-names');
export const X_ENVOY_RETRIABLE_STATUS_CODES: HeaderName = headerName('x-envoy-retriable-status-codes');
export const X_ENVOY_RETRY_ON: HeaderName = headerName('x-envoy-retry-on');
export const X_ENVOY_RETRY_GRPC_ON: HeaderName = headerName('x-envoy-retry-grpc-on');
export const X_ENVOY_UPSTREAM_ALT_STAT_NAME: HeaderName = headerName('x-envoy-upstream-alt-stat-name');
export const X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS: HeaderName = headerName('x-envoy-upstream-rq-per-try-timeout-ms');
export const X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE: HeaderName = headerName(
  'x-envoy-upstream-rq-timeout-alt-response',
);
export const X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS: HeaderName = headerName('x-envoy-upstream-rq-timeout-ms');
export const X_ENVOY_UPSTREAM_STREAM_DURATION_MS: HeaderName = headerName('x-envoy-upstream-stream-duration-ms');
export const X_ENVOY_ATTEMPT_COUNT: HeaderName = headerName('x-envoy-attempt-count');
export const X_ENVOY_UPSTREAM_SERVICE_TIME: HeaderName = headerName('x-envoy-upstream-service-time');
export const X_ENVOY_UPSTREAM_CANARY: HeaderName = headerName('x-envoy-upstream-canary');
export const X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER: HeaderName = headerName('x-envoy-upstream-healthchecked-cluster');
export const X_ENVOY_OVERLOADED: HeaderName = headerName('x-envoy-overloaded');
export const X_ENVOY_RATELIMITED: HeaderName = headerName('x-envoy-ratelimited');
export const X_ENVOY_DEGRADED: HeaderName = headerName('x-envoy-degraded');
export const X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL: HeaderName = headerName('x-envoy-immediate-health-check-fail');
export const X_RATELIMIT_RESET: HeaderName = headerName('x-ratelimit-reset');

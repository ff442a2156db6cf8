/** The fixed names of all scopes, exactly Envoy 1.40's: `stats[CLUSTER.slot.upstream_cx_total]++`. */
export {
  budgetHistograms,
  CIRCUIT_BREAKERS,
  CIRCUIT_BREAKERS_REMAINING,
  CLUSTER,
  HOST,
  sizeHistograms,
} from './cluster_layouts.ts';
export {
  CONNECTION_LIMIT,
  HTTP_INSPECTOR,
  PROXY_PROTOCOL,
  PROXY_PROTOCOL_VERSION,
  TLS_INSPECTOR,
} from './filter_layouts.ts';
export {
  HTTP,
  HTTP_ADMIN,
  HTTP_ROUTER,
  HTTP1,
  HTTP2,
  http2Histograms,
  LISTENER_HTTP,
  VIRTUAL_CLUSTER,
} from './http_layouts.ts';
export { LISTENER, LISTENER_ADMIN, LISTENER_WORKER, TCP } from './listener_layouts.ts';
export {
  CLUSTER_MANAGER,
  COMPILATION_SETTINGS,
  DNS_CARES,
  FILESYSTEM,
  LISTENER_MANAGER,
  OVERLOAD,
  RUNTIME,
  SERVER,
  THREAD_LOCAL_CLUSTER_MANAGER,
  WATCHDOG,
} from './server_layouts.ts';
export { statNamePart } from './stat_name.ts';

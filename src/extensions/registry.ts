/** Every extension nuncio has, one line each; looked up by the type of its configuration, or by an old name. */
import type { ExtensionFactory } from '../spi/extension.ts';
import { factory as celAccessLogFilter } from './access_log_filters/cel/config.ts';
import { factory as fileAccessLog } from './access_loggers/file/config.ts';
import { stderrFactory as stderrAccessLog, stdoutFactory as stdoutAccessLog } from './access_loggers/stream/config.ts';
import { factory as fault } from './filters/http/fault/config.ts';
import { factory as grpcHttp1Bridge } from './filters/http/grpc_http1_bridge/config.ts';
import { factory as grpcHttp1ReverseBridge } from './filters/http/grpc_http1_reverse_bridge/config.ts';
import { factory as grpcJsonTranscoder } from './filters/http/grpc_json_transcoder/config.ts';
import { factory as grpcStats } from './filters/http/grpc_stats/config.ts';
import { factory as grpcWeb } from './filters/http/grpc_web/config.ts';
import { factory as headerMutation } from './filters/http/header_mutation/config.ts';
import { factory as healthCheck } from './filters/http/health_check/config.ts';
import { factory as onDemand } from './filters/http/on_demand/config.ts';
import { factory as router } from './filters/http/router/config.ts';
import { factory as httpInspector } from './filters/listener/http_inspector/config.ts';
import { factory as listenerLocalRateLimit } from './filters/listener/local_ratelimit/config.ts';
import { factory as originalDst } from './filters/listener/original_dst/config.ts';
import { factory as proxyProtocol } from './filters/listener/proxy_protocol/config.ts';
import { factory as listenerSetFilterState } from './filters/listener/set_filter_state/config.ts';
import { factory as tlsInspector } from './filters/listener/tls_inspector/config.ts';
import { factory as connectionLimit } from './filters/network/connection_limit/config.ts';
import { factory as directResponse } from './filters/network/direct_response/config.ts';
import { factory as echo } from './filters/network/echo/config.ts';
import { factory as httpConnectionManager } from './filters/network/http_connection_manager/config.ts';
import { factory as networkLocalRateLimit } from './filters/network/local_ratelimit/config.ts';
import { factory as networkSetFilterState } from './filters/network/set_filter_state/config.ts';
import { factory as sniCluster } from './filters/network/sni_cluster/config.ts';
import { factory as tcpProxy } from './filters/network/tcp_proxy/config.ts';
import {
  downstreamFactory as downstreamStartTls,
  upstreamFactory as upstreamStartTls,
} from './transport_sockets/starttls/config.ts';
import { downstreamFactory as downstreamTls, upstreamFactory as upstreamTls } from './transport_sockets/tls/config.ts';

export const factories: readonly ExtensionFactory[] = [
  httpConnectionManager,
  tcpProxy,
  connectionLimit,
  directResponse,
  echo,
  networkLocalRateLimit,
  networkSetFilterState,
  sniCluster,
  httpInspector,
  listenerLocalRateLimit,
  listenerSetFilterState,
  originalDst,
  proxyProtocol,
  tlsInspector,
  router,
  fault,
  headerMutation,
  healthCheck,
  onDemand,
  grpcHttp1Bridge,
  grpcHttp1ReverseBridge,
  grpcJsonTranscoder,
  grpcStats,
  grpcWeb,
  fileAccessLog,
  stdoutAccessLog,
  stderrAccessLog,
  celAccessLogFilter,
  downstreamTls,
  upstreamTls,
  downstreamStartTls,
  upstreamStartTls,
];

const byType = new Map(factories.map((factory) => [factory.typeName, factory]));

/** The extension whose configuration is of this message type. */
export function factoryByType(typeName: string): ExtensionFactory | undefined {
  return byType.get(typeName);
}

/** Step 4 of the data path: what the HTTP/2 codec of a listener is told, from the connection manager's message; defaults are Envoy's. */
import type { Http2Options } from '../../native-free/http2/codec.ts';
import type { envoy } from '../api/envoy_types.ts';
import { http2Options } from '../common/http2_options.ts';

type Manager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

const underscores = ['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'] as const;

export function compileHttp2Options(message: Manager, bufferLimit: number): Http2Options {
  const common = message.commonHttpProtocolOptions;
  return http2Options(message.http2ProtocolOptions, {
    maxHeaderBytes: (message.maxRequestHeadersKb ?? 60) * 1024,
    maxHeaders: common?.maxHeadersCount ?? 100,
    bufferLimit,
    underscores: underscores[common?.headersWithUnderscoresAction ?? 0],
    streamErrorOnInvalidMessage: message.streamErrorOnInvalidHttpMessage,
  });
}

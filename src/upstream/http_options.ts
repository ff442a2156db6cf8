/** Step 8 of the data path: which HTTP a cluster speaks to its hosts, and with what options. */
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type HttpOptions = envoy.extensions.upstreams.http.v3.HttpProtocolOptions;

/** What connections to hosts speak. `auto`: what ALPN settles. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/** The HTTP part of a cluster message. */
export interface HttpOptionMessages {
  /** `downstream`: what the client of the request speaks. */
  readonly protocol: PoolProtocol | 'downstream';
  readonly common: envoy.config.core.v3.HttpProtocolOptions | undefined;
  readonly http1: envoy.config.core.v3.Http1ProtocolOptions | undefined;
  readonly http2: envoy.config.core.v3.Http2ProtocolOptions | undefined;
  /** SNI and names in certificates from the request's host. */
  readonly upstream: envoy.config.core.v3.UpstreamHttpProtocolOptions | undefined;
}

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const useDownstreamProtocol = 1;

/** The extension replaces the deprecated fields altogether, as in Envoy. */
export function httpOptionMessages(message: ClusterMessage): HttpOptionMessages {
  const any = message.typedExtensionProtocolOptions[extension];
  if (any !== undefined) return extensionMessages(unpackAny(any) as unknown as HttpOptions);
  const http2 = message.http2ProtocolOptions;
  const own = http2 === undefined ? 'http1' : 'http2';
  return {
    protocol: message.protocolSelection === useDownstreamProtocol ? 'downstream' : own,
    common: message.commonHttpProtocolOptions,
    http1: message.httpProtocolOptions,
    http2,
    upstream: message.upstreamHttpProtocolOptions,
  };
}

function extensionMessages(options: HttpOptions): HttpOptionMessages {
  const { commonHttpProtocolOptions: common, upstreamHttpProtocolOptions: upstream } = options;
  const { case: kind, value } = options.upstreamProtocolOptions;
  if (kind === 'autoConfig' || kind === 'useDownstreamProtocolConfig') {
    const { httpProtocolOptions: http1, http2ProtocolOptions: http2 } = value;
    return { protocol: kind === 'autoConfig' ? 'auto' : 'downstream', common, http1, http2, upstream };
  }
  const { case: protocol, value: chosen } = value?.protocolConfig ?? { case: undefined };
  return {
    protocol: protocol === 'http2ProtocolOptions' ? 'http2' : 'http1',
    common,
    http1: protocol === 'httpProtocolOptions' ? chosen : undefined,
    http2: protocol === 'http2ProtocolOptions' ? chosen : undefined,
    upstream,
  };
}

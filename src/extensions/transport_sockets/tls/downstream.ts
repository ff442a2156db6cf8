/** envoy.transport_sockets.tls of a filter chain, data side: a TLS server that follows its secrets. */
import type { envoy } from '../../../api/envoy_types.ts';
import { ticketKeysRef } from '../../../common/tls/secret_refs.ts';
import { ServerTls } from '../../../net/tls/server_tls.ts';
import type { DownstreamTransportFactory } from '../../../spi/transport_socket.ts';
import { followSecrets } from './follow_secrets.ts';
import { allRefs, serverSettings } from './tls_settings.ts';

type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;

const create: DownstreamTransportFactory = (config, context) => {
  const message = config as DownstreamTlsContext;
  const refs = allRefs(message.commonTlsContext, ticketKeysRef(message));
  return followSecrets(refs, context, 'server_ssl_socket_factory', {
    make: (stats, onNotReady) => new ServerTls(stats, onNotReady),
    settings: () => serverSettings(message, context),
  });
};

export default create;

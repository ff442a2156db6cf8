/** envoy.transport_sockets.tls of a cluster, data side: a TLS client that follows its secrets. */
import type { envoy } from '../../../api/envoy_types.ts';
import { ClientTls } from '../../../net/tls/client_tls.ts';
import type { UpstreamTransportFactory } from '../../../spi/transport_socket.ts';
import { followSecrets } from './follow_secrets.ts';
import { allRefs, clientSettings } from './tls_settings.ts';

type UpstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext;

const create: UpstreamTransportFactory = (config, context) => {
  const message = config as UpstreamTlsContext;
  return followSecrets(allRefs(message.commonTlsContext), context, 'client_ssl_socket_factory', {
    make: (stats, onNotReady) => new ClientTls(stats, onNotReady),
    settings: () => clientSettings(message, context),
  });
};

export default create;

/** envoy.filters.listener.tls_inspector: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ExtensionFactory } from '../../../../spi/extension.ts';

type TlsInspector = envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector;

/** One TLS record: Envoy's most, and its default. */
export const mostHelloBytes = 16_384;

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.tls_inspector',
  category: 'envoy.filters.listener',
  aliases: ['envoy.listener.tls_inspector'],
  typeName: 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  validate(message, errors) {
    const { maxClientHelloSize = mostHelloBytes } = message as TlsInspector;
    if (maxClientHelloSize <= mostHelloBytes) return;
    const reason = `max_client_hello_size of ${maxClientHelloSize} is greater than maximum of ${mostHelloBytes}.`;
    errors.error('max_client_hello_size', reason);
  },
  load: () => import('./filter.ts'),
};

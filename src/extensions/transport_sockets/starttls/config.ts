/** envoy.transport_sockets.starttls: connections that begin in clear and stay so, because no filter here asks for TLS (control side). */
import type { ConfigErrors, ExtensionFactory } from '../../../spi/extension.ts';

/** Envoy's filters that do are those of PostgreSQL and SMTP; behind all others its connections stay in clear as well. */
function factory(typeName: string): ExtensionFactory {
  return {
    name: 'envoy.transport_sockets.starttls',
    category: 'envoy.transport_sockets',
    aliases: ['starttls'],
    typeName,
    validate(_message: unknown, errors: ConfigErrors) {
      errors.warn('', 'connections stay in clear: no filter of theirs asks for TLS');
    },
    // Nothing is put over the connection, as with raw_buffer.
    load: () => Promise.resolve({ default: () => undefined }),
  };
}

const messages = 'envoy.extensions.transport_sockets.starttls.v3';

export const downstreamFactory = factory(`${messages}.StartTlsConfig`);
export const upstreamFactory = factory(`${messages}.UpstreamStartTlsConfig`);

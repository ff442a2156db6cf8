/** Keeps what speaks TLS as its secrets are: made once, changed in place, so that no connection is dropped (worker). */
import { logger } from '../../../common/log.ts';
import { SSL_SOCKET_FACTORY } from '../../../common/stats/ssl_layouts.ts';
import type { SecretRef } from '../../../common/tls/secret_refs.ts';
import { TlsStats } from '../../../net/tls/tls_stats.ts';
import type { Transport, TransportSocketContext } from '../../../spi/transport_socket.ts';

const log = logger('config');

interface Side<T, S> {
  make(stats: TlsStats, onNotReady: () => void): T;
  /** Undefined while a secret has not come. Throws when they do not go together. */
  settings(): S | undefined;
}

export function followSecrets<S, T extends { update(settings: S): void }>(
  refs: readonly SecretRef[],
  context: TransportSocketContext,
  factory: 'server_ssl_socket_factory' | 'client_ssl_socket_factory',
  side: Side<T, S>,
): Transport<T> {
  const { scope, secrets, stats, worker } = context;
  const { slot } = SSL_SOCKET_FACTORY;
  const counts = stats.block(SSL_SOCKET_FACTORY, `${scope}${factory}.`);
  const notReady =
    factory === 'server_ssl_socket_factory'
      ? slot.downstream_context_secrets_not_ready
      : slot.upstream_context_secrets_not_ready;
  const tls = side.make(new TlsStats(stats, scope), () => {
    counts[notReady]++;
  });
  const apply = (): boolean => {
    try {
      const settings = side.settings();
      if (settings === undefined) return false;
      tls.update(settings);
    } catch (error) {
      // The main thread has read these secrets; what OpenSSL refuses beyond that leaves the old ones in use.
      log.error(`${scope}: TLS settings refused: ${(error as Error).message}`);
      return false;
    }
    return true;
  };
  const discovers = refs.some(({ sds }) => sds?.sdsConfig !== undefined);
  if (apply() && discovers && worker === 0) counts[slot.ssl_context_update_by_sds]++;
  const stop = secrets.watch(
    refs.map(({ key }) => key),
    () => {
      if (apply() && worker === 0) counts[slot.ssl_context_update_by_sds]++;
    },
  );
  return { tls, close: stop };
}

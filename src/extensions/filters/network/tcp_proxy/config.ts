/** envoy.filters.network.tcp_proxy: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { durationMs } from '../../../../common/duration.ts';
import { parseFormat } from '../../../../common/formatter/parse_format.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../../spi/extension.ts';

type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.tcp_proxy',
  category: 'envoy.filters.network',
  aliases: ['envoy.tcp_proxy'],
  typeName: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  terminal: true,
  validate(message, errors) {
    const { upstreamConnectMode, maxEarlyDataBytes, tunnelingConfig: tunnel } = message as TcpProxy;
    if (tunnel !== undefined && !tunnel.usePost && tunnel.postPath !== '')
      errors.error('tunneling_config.post_path', "Can't set a post path when POST method isn't used");
    const hostname = parseFormat(tunnel?.hostname ?? '');
    if ('error' in hostname) errors.error('tunneling_config.hostname', hostname.error);
    checkLogOptions(message as TcpProxy, errors);
    if (upstreamConnectMode === 0 || maxEarlyDataBytes !== undefined) return;
    const reason = 'max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE';
    errors.error('upstream_connect_mode', reason);
  },
  load: () => import('./filter.ts'),
};

/** Fields of old are in `access_log_options` now; back-off grows. */
function checkLogOptions(proxy: TcpProxy, errors: ConfigErrors): void {
  const { accessLogOptions, accessLogFlushInterval, flushAccessLogOnConnected, backoffOptions } = proxy;
  if (accessLogOptions !== undefined) {
    const twice = (field: string) =>
      errors.error(field, `Only one of ${field} or access_log_options can be specified.`);
    if (accessLogFlushInterval !== undefined) twice('access_log_flush_interval');
    if (flushAccessLogOnConnected) twice('flush_access_log_on_connected');
  }
  const { baseInterval, maxInterval } = backoffOptions ?? {};
  if (baseInterval === undefined || maxInterval === undefined) return;
  if (durationMs(maxInterval)! >= durationMs(baseInterval)!) return;
  errors.error(
    'backoff_options.max_interval',
    'max_backoff_interval must be greater or equal to base_backoff_interval',
  );
}

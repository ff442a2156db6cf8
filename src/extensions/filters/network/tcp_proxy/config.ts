/** envoy.filters.network.tcp_proxy: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ExtensionFactory } from '../../../../spi/extension.ts';

type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.tcp_proxy',
  category: 'envoy.filters.network',
  aliases: ['envoy.tcp_proxy'],
  typeName: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  terminal: true,
  validate(message, errors) {
    const { upstreamConnectMode, maxEarlyDataBytes } = message as TcpProxy;
    if (upstreamConnectMode === 0 || maxEarlyDataBytes !== undefined) return;
    const reason = 'max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE';
    errors.error('upstream_connect_mode', reason);
  },
  load: () => import('./filter.ts'),
};

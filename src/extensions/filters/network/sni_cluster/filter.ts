/** envoy.filters.network.sni_cluster: the server name a TLS client asks for is the cluster its bytes go to. */
import { NetworkFilterStatus, type ReadFilterMaker } from '../../../../spi/network_filter.ts';

export default function create(): ReadFilterMaker {
  return ({ info }) => ({
    onNewConnection() {
      if (info.requestedServerName !== '') {
        info.filterState ??= new Map();
        info.filterState.set('envoy.tcp_proxy.cluster', info.requestedServerName);
      }
      return NetworkFilterStatus.Continue;
    },
  });
}

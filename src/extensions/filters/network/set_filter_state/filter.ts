/** envoy.filters.network.set_filter_state: notes what is known of a connection, when it begins and when its TLS is up. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { now, wallNow } from '../../../../common/clock.ts';
import { compileFilterStateValues, connectionContext } from '../../../../common/filter_state/set_filter_state.ts';
import { StreamInfo } from '../../../../common/stream_info.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
  type ReadFilterMaker,
} from '../../../../spi/network_filter.ts';

export default function create(message: envoy.extensions.filters.network.set_filter_state.v3.Config): ReadFilterMaker {
  const first = compileFilterStateValues(message.onNewConnection);
  const secure = compileFilterStateValues(message.onDownstreamTlsHandshake);
  const run = (evaluate: typeof first, { info }: ReadFilterCallbacks) => {
    const stream = info.stream ?? new StreamInfo(info, wallNow(), now);
    evaluate(connectionContext(stream), (key, object) => {
      info.filterState ??= new Map();
      info.filterState.set(key, object);
    });
  };
  const atHandshake = message.onDownstreamTlsHandshake.length > 0;
  return (callbacks): ReadFilter => ({
    onNewConnection() {
      run(first, callbacks);
      return NetworkFilterStatus.Continue;
    },
    onHandshakeComplete: atHandshake ? () => run(secure, callbacks) : undefined,
  });
}

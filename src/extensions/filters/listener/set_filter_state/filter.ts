/** envoy.filters.listener.set_filter_state: notes what is known of a connection before its filter chain is chosen. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { now, wallNow } from '../../../../common/clock.ts';
import { compileFilterStateValues, connectionContext } from '../../../../common/filter_state/set_filter_state.ts';
import { StreamInfo } from '../../../../common/stream_info.ts';
import { type ListenerFilterMaker, ListenerFilterStatus } from '../../../../spi/listener_filter.ts';

export default function create(
  message: envoy.extensions.filters.listener.set_filter_state.v3.Config,
): ListenerFilterMaker {
  const evaluate = compileFilterStateValues(message.onAccept);
  return (callbacks) => ({
    maxReadBytes: 0,
    onAccept() {
      const { info } = callbacks;
      const stream = info.stream ?? new StreamInfo(info, wallNow(), now);
      evaluate(connectionContext(stream), (key, object) => callbacks.setFilterState(key, object));
      return ListenerFilterStatus.Continue;
    },
  });
}

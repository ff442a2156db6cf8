/** Step 2 of the data path: which connections do without a listener filter (`filter_disabled`). */
import type { envoy } from '../api/envoy_types.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';

type Predicate = envoy.config.listener.v3.ListenerFilterChainMatchPredicate;
type Matches = (info: ConnectionInfo) => boolean;

/** By the destination port as it is when the filter's turn comes; undefined disables it for none. */
export function compileFilterDisabled(message: Predicate | undefined): Matches {
  switch (message?.rule.case) {
    case 'anyMatch':
      return () => true;
    case 'notMatch': {
      const inner = compileFilterDisabled(message.rule.value);
      return (info) => !inner(info);
    }
    case 'orMatch': {
      const rules = message.rule.value.rules.map(compileFilterDisabled);
      return (info) => rules.some((rule) => rule(info));
    }
    case 'andMatch': {
      const rules = message.rule.value.rules.map(compileFilterDisabled);
      return (info) => rules.every((rule) => rule(info));
    }
    case 'destinationPortRange': {
      const { start, end } = message.rule.value;
      return ({ localAddress: { ip, port } }) => ip !== '' && port >= start && port < end;
    }
    default:
      return () => false;
  }
}

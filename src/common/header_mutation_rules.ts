/** envoy.config.common.mutation_rules.v3.HeaderMutation compiled: one edit of a request's headers, in lists where each sees the last. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { FormatContext } from '../spi/format.ts';
import { compileHeaderMutations } from './header_mutation.ts';
import { compileStringMatcher } from './matchers/string_matcher.ts';

type Mutation = envoy.config.common.mutation_rules.v3.HeaderMutation;

export type HeaderMutationRule = (head: RequestHead, context: FormatContext) => void;

/** Throws on what configuration validation refuses. */
export function compileHeaderMutationRule(mutation: Mutation): HeaderMutationRule {
  const { action } = mutation;
  switch (action.case) {
    case 'append': {
      const mutations = compileHeaderMutations([action.value], []);
      return (head, context) => mutations.applyToRequest(head, context);
    }
    case 'remove': {
      const name = headerName(action.value);
      return (head) => head.headers.remove(name);
    }
    case 'removeOnMatch':
      return compileRemoveOnMatch(action.value);
    default:
      throw new Error('a header mutation without an action');
  }
}

function compileRemoveOnMatch(
  message: envoy.config.common.mutation_rules.v3.HeaderMutation_RemoveOnMatch,
): HeaderMutationRule {
  if (message.keyMatcher === undefined) throw new Error('remove_on_match without a key_matcher');
  const matcher = compileStringMatcher(message.keyMatcher);
  return ({ headers }: { headers: HeaderMap }) => headers.removeIf((name) => matcher.matches(name.text));
}

/** envoy.config.common.mutation_rules.v3.HeaderMutation compiled: one edit of a message, in lists where each sees the last. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { FormatContext } from '../spi/format.ts';
import { compileHeaderMutations } from './header_mutation.ts';
import { compileStringMatcher } from './matchers/string_matcher.ts';

type Mutation = envoy.config.common.mutation_rules.v3.HeaderMutation;

export interface HeaderMutationRule {
  applyToRequest(head: RequestHead, context: FormatContext): void;
  applyToResponse(head: ResponseHead, context: FormatContext): void;
  applyToTrailers(trailers: HeaderMap, context: FormatContext): void;
}

/** Throws on what configuration validation refuses. */
export function compileHeaderMutationRule(mutation: Mutation): HeaderMutationRule {
  const { action } = mutation;
  switch (action.case) {
    case 'append':
      return compileHeaderMutations([action.value], []);
    case 'remove':
      return compileRemove(action.value.toLowerCase());
    case 'removeOnMatch':
      return compileRemoveOnMatch(action.value);
    default:
      throw new Error('a header mutation without an action');
  }
}

function compileRemove(text: string): HeaderMutationRule {
  const name = headerName(text);
  const isHost = text === 'host' || text === ':authority';
  return {
    applyToRequest(head) {
      if (isHost) head.authority = '';
      head.headers.remove(name);
    },
    applyToResponse: ({ headers }) => void headers.remove(name),
    applyToTrailers: (trailers) => void trailers.remove(name),
  };
}

function compileRemoveOnMatch(
  message: envoy.config.common.mutation_rules.v3.HeaderMutation_RemoveOnMatch,
): HeaderMutationRule {
  if (message.keyMatcher === undefined) throw new Error('remove_on_match without a key_matcher');
  const matcher = compileStringMatcher(message.keyMatcher);
  const remove = (headers: HeaderMap) => headers.removeIf((name) => matcher.matches(name.text));
  return {
    applyToRequest: ({ headers }) => remove(headers),
    applyToResponse: ({ headers }) => remove(headers),
    applyToTrailers: remove,
  };
}

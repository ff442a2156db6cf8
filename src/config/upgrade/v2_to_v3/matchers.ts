/** v2's matchers of headers, query parameters and paths → v3 (control path, step 1). */
import type { SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { type Fields, isTrue, map, type Place } from '../edit.ts';
import { become, rewrite } from './rename.ts';
import type { Rules } from './rules.ts';

/** v2's and v1's regular expressions match the whole text; so do v3's. */
export function regexOf(regex: SourceNode, at: Place): SourceNode {
  return map({ regex }, at);
}

function upgradeHeader(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'regex_match', 'string_match', context, (entry) =>
    map({ safe_regex: regexOf(entry.value, entry) }, entry),
  );
  upgradeValue(fields, context);
}

/** `value` with `regex: true` beside it. */
function upgradeValue(fields: Fields, context: UpgradeContext): void {
  const regex = fields.take('regex');
  const value = fields.take('value');
  if (value === undefined) return;
  const isRegex = regex !== undefined && isTrue(regex.value);
  const match = isRegex ? map({ safe_regex: regexOf(value.value, value) }, value) : map({ exact: value.value }, value);
  become(fields, value, 'string_match', match, context);
}

export const matcherRules: Rules = {
  'envoy.config.route.v3.HeaderMatcher': upgradeHeader,
  'envoy.config.route.v3.QueryParameterMatcher': upgradeValue,
  'envoy.type.matcher.v3.StringMatcher': (fields, context) =>
    rewrite(fields, 'regex', 'safe_regex', context, (entry) => regexOf(entry.value, entry)),
};

/** xds.type.matcher.v3.ServerNameMatcher: matches of a name: itself, then `*.` before ever shorter ends of it, then `*`. */
import type { xds } from '../../api/envoy_types.ts';
import type { MatchTree, ValueTree } from './matcher_tree.ts';

type OnMatch = xds.type.matcher.v3.Matcher_OnMatch;

export function serverNameTree<C, A>(
  { domainMatchers }: xds.type.matcher.v3.ServerNameMatcher,
  compile: (onMatch: OnMatch | undefined) => MatchTree<C, A>,
): ValueTree<C, A> {
  const map = new Map<string, MatchTree<C, A>>();
  for (const { domains, onMatch } of domainMatchers) {
    const then = compile(onMatch);
    for (const domain of domains) if (!map.has(domain)) map.set(domain, then);
  }
  return (name, context) => {
    const exact = map.get(name)?.(context);
    if (exact !== undefined) return exact;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const action = map.get(`*${name.slice(dot)}`)?.(context);
      if (action !== undefined) return action;
    }
    return map.get('*')?.(context);
  };
}

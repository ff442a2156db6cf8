/** xds.type.matcher.v3.Matcher compiled: from what is known of a connection or request to the action of the first match. */
import type { xds } from '../../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../../api/registry.ts';
import { compileStringMatcher } from '../matchers/string_matcher.ts';
import { ipTree } from './ip_tree.ts';
import { serverNameTree } from './server_name_tree.ts';

type Matcher = xds.type.matcher.v3.Matcher;
type OnMatch = xds.type.matcher.v3.Matcher_OnMatch;
type Predicate = xds.type.matcher.v3.Matcher_MatcherList_Predicate;
type ExtensionConfig = xds.core.v3.TypedExtensionConfig;

/** Reads one property; undefined when it is not known. */
export type MatchInput<C> = (context: C) => string | undefined;

/** What a tree is about. Both throw on types they do not know, which validation refuses before. */
export interface MatcherTreeParts<C, A> {
  input(type: string, message: unknown): MatchInput<C>;
  action(type: string, message: unknown): A;
}

/** The action of the first match; undefined: none matched. */
export type MatchTree<C, A> = (context: C) => A | undefined;

/** A tree over one value: its matches from the most specific on, until one has an action. */
export type ValueTree<C, A> = (value: string, context: C) => A | undefined;

export function compileMatcherTree<C, A>(message: Matcher, parts: MatcherTreeParts<C, A>): MatchTree<C, A> {
  const matching = compileMatching(message, parts);
  const otherwise = message.onNoMatch === undefined ? undefined : compileOnMatch(message.onNoMatch, parts);
  if (otherwise === undefined) return matching;
  return (context) => {
    const action = matching(context);
    return action === undefined ? otherwise(context) : action;
  };
}

/** A match whose own tree has nothing for it counts as none, as in Envoy; so does one that says to keep matching. */
function compileOnMatch<C, A>(message: OnMatch, parts: MatcherTreeParts<C, A>): MatchTree<C, A> {
  const { onMatch, keepMatching } = message;
  if (keepMatching || onMatch.case === undefined) return () => undefined;
  if (onMatch.case === 'matcher') return compileMatcherTree(onMatch.value, parts);
  const action = extension(onMatch.value, parts.action);
  return () => action;
}

function compileMatching<C, A>({ matcherType }: Matcher, parts: MatcherTreeParts<C, A>): MatchTree<C, A> {
  switch (matcherType.case) {
    case 'matcherList': {
      const list = matcherType.value.matchers.map(({ predicate, onMatch }) => ({
        holds: compilePredicate(predicate!, parts),
        outcome: compileOnMatch(onMatch!, parts),
      }));
      return (context) => {
        for (const { holds, outcome } of list) {
          const action = holds(context) ? outcome(context) : undefined;
          if (action !== undefined) return action;
        }
        return undefined;
      };
    }
    case 'matcherTree': {
      const input = extension(matcherType.value.input!, parts.input);
      const tree = compileTree(matcherType.value, parts);
      return (context) => {
        const value = input(context);
        return value === undefined ? undefined : tree(value, context);
      };
    }
    default:
      return () => undefined;
  }
}

function compilePredicate<C, A>({ matchType }: Predicate, parts: MatcherTreeParts<C, A>): (context: C) => boolean {
  switch (matchType.case) {
    case 'singlePredicate': {
      const { input, matcher } = matchType.value;
      if (matcher.case !== 'valueMatch') throw new Error('custom_match is not supported');
      const read = extension(input!, parts.input);
      const string = compileStringMatcher(matcher.value as never);
      return (context) => {
        const value = read(context);
        return value !== undefined && string.matches(value);
      };
    }
    case 'orMatcher': {
      const all = matchType.value.predicate.map((predicate) => compilePredicate(predicate, parts));
      return (context) => all.some((holds) => holds(context));
    }
    case 'andMatcher': {
      const all = matchType.value.predicate.map((predicate) => compilePredicate(predicate, parts));
      return (context) => all.every((holds) => holds(context));
    }
    case 'notMatcher': {
      const holds = compilePredicate(matchType.value, parts);
      return (context) => !holds(context);
    }
    default:
      return () => false;
  }
}

function compileTree<C, A>(
  { treeType }: xds.type.matcher.v3.Matcher_MatcherTree,
  parts: MatcherTreeParts<C, A>,
): ValueTree<C, A> {
  switch (treeType.case) {
    case 'exactMatchMap': {
      const map = compileMap(treeType.value.map, parts);
      return (value, context) => map.get(value)?.(context);
    }
    case 'prefixMatchMap': {
      const map = compileMap(treeType.value.map, parts);
      const lengths = [...new Set([...map.keys()].map((key) => key.length))].sort((a, b) => b - a);
      return (value, context) => {
        for (const length of lengths) {
          const action = length > value.length ? undefined : map.get(value.slice(0, length))?.(context);
          if (action !== undefined) return action;
        }
        return undefined;
      };
    }
    case 'customMatch':
      return extension(treeType.value, (type, message) => customTree(type, message, parts));
    default:
      return () => undefined;
  }
}

function customTree<C, A>(type: string, message: unknown, parts: MatcherTreeParts<C, A>): ValueTree<C, A> {
  const compile = (onMatch: OnMatch | undefined) => compileOnMatch(onMatch!, parts);
  if (type === 'xds.type.matcher.v3.IPMatcher') return ipTree(message as xds.type.matcher.v3.IPMatcher, compile);
  if (type === 'xds.type.matcher.v3.ServerNameMatcher')
    return serverNameTree(message as xds.type.matcher.v3.ServerNameMatcher, compile);
  throw new Error(`${type} is not supported`);
}

function compileMap<C, A>(map: { [key: string]: OnMatch }, parts: MatcherTreeParts<C, A>) {
  return new Map(Object.entries(map).map(([key, onMatch]) => [key, compileOnMatch(onMatch, parts)]));
}

function extension<T>({ typedConfig }: ExtensionConfig, make: (type: string, message: unknown) => T): T {
  return make(typeNameOf(typedConfig!.typeUrl), unpackAny(typedConfig!));
}

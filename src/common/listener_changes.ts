/** What of a listener an update changes: whether it can stay, with the connections of the chains it keeps (both threads). */
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';

type Listener = envoy.config.listener.v3.Listener;

/** Envoy's in-place update: all but the filter chains is as it was. */
export function sameButChains(one: Listener, other: Listener): boolean {
  return Buffer.compare(withoutChains(one), withoutChains(other)) === 0;
}

/** How many filter chains of `former` are not in `next`. */
export function chainsGone(former: Listener, next: Listener): number {
  const kept = new Set(chainsOf(next));
  return chainsOf(former).filter((chain) => !kept.has(chain)).length;
}

function withoutChains(message: Listener): Uint8Array {
  return encode('envoy.config.listener.v3.Listener', {
    ...message,
    filterChains: [],
    defaultFilterChain: undefined,
    filterChainMatcher: undefined,
    metadata: undefined,
  });
}

function chainsOf({ filterChains, defaultFilterChain }: Listener): string[] {
  const all = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return all.map((chain) => Buffer.from(encode('envoy.config.listener.v3.FilterChain', chain)).toString('latin1'));
}

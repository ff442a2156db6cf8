/** Step 4 of the control path, worker: a listener's message becomes its listener filters and its filter chains. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy, xds } from '../api/envoy_types.ts';
import { splitMessage } from '../api/message_parts.ts';
import { decode, encode } from '../api/registry.ts';
import { SimpleTaker } from '../common/connection_taker.ts';
import { contentHash } from '../common/content_hash.ts';
import { durationMs } from '../common/duration.ts';
import { compileMatcherTree } from '../common/matcher_tree/matcher_tree.ts';
import { networkInput } from '../common/matcher_tree/network_inputs.ts';
import type { Slices } from '../common/slices.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { ListenerFilters } from '../listener/accepted_connection.ts';
import {
  type FilterChain,
  type FilterChainFinder,
  FilterChainSet,
  NoChain,
  onlyChain,
} from '../listener/filter_chain.ts';
import { FilterChainIndex } from '../listener/filter_chain_index.ts';
import { compileFilterDisabled } from '../listener/filter_disabled.ts';
import type { ListenerDrain } from '../listener/listener_drain.ts';
import type { ResourceEntry } from '../snapshot/layout.ts';
import type { ListenerFilterFactory } from '../spi/listener_filter.ts';
import type { ReadFilterFactory, ReadFilterMaker } from '../spi/network_filter.ts';
import type { ConnectionTaker, ListenerInfo, NetworkFilterFactory } from '../spi/worker_context.ts';
import {
  type DiscoveredFilter,
  DiscoveredTaker,
  discoveredListenerFilter,
  discoveredReadFilter,
} from './discovered_filters.ts';
import type { ExtensionLoader } from './extension_loader.ts';

type ListenerMessage = envoy.config.listener.v3.Listener;
type FilterChainMessage = envoy.config.listener.v3.FilterChain;

const defaultFiltersTimeout = 15_000;

const chainsField = 3;
const chainType = 'envoy.config.listener.v3.FilterChain';

/** Undefined without listener filters. */
export function compileListenerFilters(
  message: ListenerMessage,
  loader: ExtensionLoader,
  info: ListenerInfo,
): ListenerFilters | undefined {
  const filters = message.listenerFilters;
  if (filters.length === 0) return undefined;
  return {
    makers: filters.map((filter) => {
      const discovered = discoveredOf(filter);
      if (discovered !== undefined) return discoveredListenerFilter(discovered, loader, info);
      const { create, message: config } = loadFilter(filter, loader);
      return (create as ListenerFilterFactory)(config, loader, info);
    }),
    disabled: filters.map(({ filterDisabled }) => compileFilterDisabled(filterDisabled)),
    timeout: durationMs(message.listenerFiltersTimeout) ?? defaultFiltersTimeout,
    continueOnTimeout: message.continueOnListenerFiltersTimeout,
  };
}

/** A listener as it was published, with the hash of each of its chains. */
export interface ReadListener {
  readonly message: ListenerMessage;
  readonly hashes: readonly string[];
}

/** Chain by chain: some listeners have thousands. */
export async function readListener({ bytes }: ResourceEntry, slices: Slices): Promise<ReadListener> {
  // A copy: protobuf strings cannot be decoded out of shared memory.
  const whole = new Uint8Array(bytes);
  const { rest, parts } = splitMessage(whole, chainsField) ?? { rest: whole, parts: [] };
  const message = decode('envoy.config.listener.v3.Listener', rest);
  const hashes: string[] = [];
  for (const part of parts) {
    if (slices.over) await slices.next();
    message.filterChains.push(decode(chainType, part));
    hashes.push(contentHash(part));
  }
  return { message, hashes };
}

/** Chains that `former` has with the same content are taken over as they are; the code of the others is loaded. */
export async function compileFilterChains(
  { message, hashes }: ReadListener,
  loader: ExtensionLoader,
  info: ListenerInfo,
  slices: Slices,
  former?: FilterChainSet,
): Promise<FilterChainSet> {
  const compile = async (chain: FilterChainMessage, hash: string): Promise<FilterChain> => {
    const present = former?.chains.get(hash);
    if (present !== undefined) return present;
    await loader.load(typeNamesIn(chain));
    if (slices.over) await slices.next();
    return compileChain(chain, hash, loader, info);
  };
  const chains: FilterChain[] = [];
  for (const [i, chain] of message.filterChains.entries()) {
    if (slices.over) await slices.next();
    chains.push(await compile(chain, hashes[i]));
  }
  const { defaultFilterChain: last } = message;
  const fallback = last === undefined ? undefined : await compile(last, contentHash(encode(chainType, last)));
  return new FilterChainSet(chainFinder(message, chains), chains, fallback);
}

function chainFinder(message: ListenerMessage, chains: readonly FilterChain[]): FilterChainFinder {
  const { filterChains, filterChainMatcher } = message;
  if (filterChainMatcher !== undefined) return matcherFinder(filterChainMatcher, chains);
  const only = filterChains.length === 1 ? filterChains[0].filterChainMatch : undefined;
  if (filterChains.length === 1 && matchesAll(only)) return onlyChain(chains[0]);
  const index = new FilterChainIndex<FilterChain>();
  filterChains.forEach(({ filterChainMatch }, i) => {
    index.add(filterChainMatch, chains[i]);
  });
  return index;
}

/** The tree names a chain; one that there is not takes no connection, not even to the default chain, as in Envoy. */
function matcherFinder(matcher: xds.type.matcher.v3.Matcher, chains: readonly FilterChain[]): FilterChainFinder {
  const byName = new Map(chains.map((chain) => [chain.name, chain]));
  const tree = compileMatcherTree<ConnectionInfo, FilterChain | typeof NoChain>(matcher, {
    input: networkInput,
    action: (_type, message) => byName.get((message as { value: string }).value) ?? NoChain,
  });
  return { find: tree };
}

function matchesAll(match: envoy.config.listener.v3.FilterChainMatch | undefined): boolean {
  return match === undefined || encode('envoy.config.listener.v3.FilterChainMatch', match).length === 0;
}

function compileChain(
  chain: FilterChainMessage,
  hash: string,
  loader: ExtensionLoader,
  info: ListenerInfo,
): FilterChain {
  const { filters, transportSocket } = chain;
  const drain = (info.drain as ListenerDrain).ofChain();
  const chainInfo = { ...info, drain };
  return {
    drain,
    connections: 0,
    name: chain.name,
    metadata: chain.metadata,
    hash,
    transport: transportSocket && loader.downstreamTransport(transportSocket, info.statPrefix),
    transportConnectTimeout: durationMs(chain.transportSocketConnectTimeout) ?? 0,
    filters: filters.slice(0, -1).map((filter): ReadFilterMaker => {
      const discovered = discoveredOf(filter);
      if (discovered !== undefined) return discoveredReadFilter(discovered, loader, chainInfo);
      const { create, message } = loadFilter(filter, loader);
      return (create as ReadFilterFactory)(message, loader, chainInfo);
    }),
    taker: filters.length === 0 ? nobody : compileLast(filters[filters.length - 1], loader, chainInfo),
  };
}

function compileLast(filter: FilterMessage, loader: ExtensionLoader, info: ListenerInfo): ConnectionTaker {
  const discovered = discoveredOf(filter);
  if (discovered !== undefined) return new DiscoveredTaker(discovered, loader, info);
  const { create, message } = loadFilter(filter, loader);
  return (create as NetworkFilterFactory)(message, loader, info);
}

/** Envoy closes the connections of a chain without filters. */
const nobody = new SimpleTaker((connection, _info, onGone) => {
  connection.callbacks = { ...connection.callbacks, onClosed: onGone };
  connection.closeNow();
});

type FilterMessage = envoy.config.listener.v3.Filter | envoy.config.listener.v3.ListenerFilter;

function discoveredOf({ name, configType }: FilterMessage): DiscoveredFilter | undefined {
  return configType.case === 'configDiscovery' ? { name, source: configType.value } : undefined;
}

function loadFilter({ name, configType }: FilterMessage, loader: ExtensionLoader) {
  const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
  return loader.extension({ name, typedConfig });
}

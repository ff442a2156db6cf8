/** Step 3 of the data path: a filter chain as compiled, and the set of those a listener has. */
import type { ConnectionInfo, Metadata } from '../common/stream_info.ts';
import type { TlsStarter } from '../net/tls_starter.ts';
import type { ReadFilterMaker } from '../spi/network_filter.ts';
import type { Transport } from '../spi/transport_socket.ts';
import type { ConnectionTaker } from '../spi/worker_context.ts';
import type { ListenerDrain } from './listener_drain.ts';

/** One chain; it never changes, so that connections can stay with it while the listener gets other ones. */
export interface FilterChain {
  readonly name: string;
  readonly metadata?: Metadata | undefined;
  /** Of its message: chains of equal content are one and the same to an update. */
  readonly hash: string;
  /** Secures the connections of its clients; undefined: plain. */
  readonly transport: Transport<TlsStarter> | undefined;
  /** Milliseconds its transport has to be ready; 0: no limit. */
  readonly transportConnectTimeout: number;
  /** The filters before the last one; mostly none. */
  readonly filters: readonly ReadFilterMaker[];
  /** The last filter. */
  readonly taker: ConnectionTaker;
  /** Begins when the listener has the chain no longer. */
  readonly drain: ListenerDrain;
  /** How many of the listener's connections are with it. */
  connections: number;
}

/** Says which chain a connection goes to: an index of match rules, or the listener's filter_chain_matcher. */
export interface FilterChainFinder {
  /** Undefined: the default chain's; `NoChain`: nobody's. */
  find(info: ConnectionInfo): FilterChain | typeof NoChain | undefined;
}

/** The connection is to get no chain at all. */
export const NoChain: unique symbol = Symbol('no filter chain');

/** The chains of a listener at one time. */
export class FilterChainSet {
  /** By hash, the default chain among them. */
  readonly chains: ReadonlyMap<string, FilterChain>;
  private readonly finder: FilterChainFinder;
  private readonly fallback: FilterChain | undefined;

  /** `fallback` is the default filter chain. */
  constructor(finder: FilterChainFinder, chains: readonly FilterChain[], fallback: FilterChain | undefined) {
    this.finder = finder;
    this.fallback = fallback;
    const all = fallback === undefined ? chains : [...chains, fallback];
    this.chains = new Map(all.map((chain) => [chain.hash, chain]));
  }

  find(info: ConnectionInfo): FilterChain | undefined {
    const found = this.finder.find(info);
    if (found === NoChain) return undefined;
    return found ?? this.fallback;
  }
}

/** For a listener with one chain that takes everything. */
export function onlyChain(chain: FilterChain): FilterChainFinder {
  return { find: () => chain };
}

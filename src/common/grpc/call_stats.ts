/** Counters of gRPC calls below their cluster, by service and method: `cluster.<name>.grpc.<service>.<method>.<counter>`. */
import type { MethodPath } from '../../../native-free/grpc/method_path.ts';
import type { Histogram, StatHandle, StatsStore } from '../../spi/stats.ts';

/** Clients choose the methods they ask for: beyond so many, calls are counted for their cluster only. */
const mostScopes = 10_000;

/** A `grpc-status` becomes part of a name: nothing longer does. */
const statusText = /^\d{1,5}$/;

/** The counters of one method, or of all that are not told apart; each exists from the first count on. */
export class CallScope {
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly counters = new Map<string, StatHandle>();
  private time: Histogram | undefined;

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
  }

  /** A call is over; nothing is counted without a status. */
  chargeStatus(status: string | undefined): void {
    if (status === undefined) return;
    if (statusText.test(status)) this.add(status, 1);
    this.add(status === '0' ? 'success' : 'failure', 1);
    this.add('total', 1);
  }

  addRequestMessages(count: number): void {
    this.add('request_message_count', count);
  }

  addResponseMessages(count: number): void {
    this.add('response_message_count', count);
  }

  /** Milliseconds. */
  chargeUpstreamTime(milliseconds: number): void {
    this.time ??= this.store.histogram(`${this.prefix}upstream_rq_time`);
    this.time.record(milliseconds);
  }

  private add(name: string, count: number): void {
    let counter = this.counters.get(name);
    if (counter === undefined) {
      counter = this.store.counter(this.prefix + name);
      this.counters.set(name, counter);
    }
    counter.values[counter.index] += count;
  }
}

/** The scopes of one protocol. */
export class CallStats {
  private readonly store: StatsStore;
  private readonly protocol: 'grpc' | 'grpc-web';
  private readonly scopes = new Map<string, CallScope>();

  constructor(store: StatsStore, protocol: 'grpc' | 'grpc-web') {
    this.store = store;
    this.protocol = protocol;
  }

  /** `clusterPrefix` with its final dot; without a method, that of calls that are not told apart. */
  scope(clusterPrefix: string, call: MethodPath | undefined): CallScope {
    const name = call === undefined ? '' : `${call.service}.${call.method}.`;
    const key = `${clusterPrefix}${this.protocol}.${name}`;
    const known = this.scopes.get(key);
    if (known !== undefined) return known;
    if (call !== undefined && this.scopes.size >= mostScopes) return this.scope(clusterPrefix, undefined);
    const scope = new CallScope(this.store, key);
    this.scopes.set(key, scope);
    return scope;
  }
}

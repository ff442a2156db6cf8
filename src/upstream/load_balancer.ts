/** Step 8 of the data path: which host of a cluster gets the next request. The slow side builds a picker, the hot side picks. */

import type { SharedWords } from '../common/counted_words.ts';
import { ClusterWord, clusterBase, roundRobinWords } from '../snapshot/layout.ts';
import { DeadlineHeap } from './deadline_heap.ts';
import type { Host } from './host.ts';

/** Picks a host for one request; `hosts` were handed over when it was built and never change. */
export interface Picker {
  pick(): Host | undefined;
}

export type LoadBalancingPolicy =
  | { readonly kind: 'round_robin' }
  | { readonly kind: 'random' }
  | { readonly kind: 'least_request'; readonly choiceCount: number; readonly activeRequestBias: number };

/** A picker over hosts of one priority level of a cluster. `slot` names the cluster's shared words. */
export function makePicker(
  policy: LoadBalancingPolicy,
  hosts: readonly Host[],
  shared: SharedWords,
  slot: number,
  priority = 0,
): Picker {
  if (hosts.length === 0) return noHosts;
  const counter = clusterBase(slot) + ClusterWord.RoundRobin + Math.min(priority, roundRobinWords - 1);
  switch (policy.kind) {
    case 'random':
      return new RandomPicker(hosts);
    case 'least_request':
      if (weightsEqual(hosts)) return new LeastRequestPicker(hosts, policy.choiceCount);
      return new WeightedLeastRequestPicker(hosts, policy.activeRequestBias);
    default:
      return new RoundRobinPicker(weightsEqual(hosts) ? hosts : weightedSchedule(hosts), shared.words, counter);
  }
}

function weightOf({ weight, shareOfWeight }: Host): number {
  return weight * shareOfWeight;
}

const noHosts: Picker = { pick: () => undefined };

function weightsEqual(hosts: readonly Host[]): boolean {
  return hosts.every((host) => weightOf(host) === weightOf(hosts[0]));
}

/** Strict rotation over all workers: the counter is shared. */
class RoundRobinPicker implements Picker {
  private readonly schedule: readonly Host[];
  private readonly words: Int32Array;
  private readonly counter: number;

  constructor(schedule: readonly Host[], words: Int32Array, counter: number) {
    this.schedule = schedule;
    this.words = words;
    this.counter = counter;
  }

  pick(): Host {
    // The counter wraps as an unsigned word; one uneven step in 2^32 picks is no concern.
    return this.schedule[(Atomics.add(this.words, this.counter, 1) >>> 0) % this.schedule.length];
  }
}

/** Longest rotation of weighted hosts; weights are scaled down to fit. */
const longestSchedule = 65_536;

/** One period of Envoy's earliest-deadline-first order: host i comes every 1/weight, ties in list order. */
function weightedSchedule(hosts: readonly Host[]): Host[] {
  // In hundredths where slow start leaves fractions.
  const scale = hosts.some(({ shareOfWeight }) => shareOfWeight < 1) ? 100 : 1;
  const whole = hosts.map((host) => Math.max(1, Math.round(weightOf(host) * scale)));
  const divisor = whole.reduce(greatestCommonDivisor, 0);
  let weights = whole.map((weight) => weight / divisor);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total > longestSchedule) {
    weights = weights.map((weight) => Math.max(1, Math.floor((weight * longestSchedule) / total)));
  }
  // Many hosts have few different weights, and those of one have their turns together.
  const byWeight = new Map<number, number[]>();
  weights.forEach((weight, order) => {
    const same = byWeight.get(weight);
    if (same === undefined) byWeight.set(weight, [order]);
    else same.push(order);
  });
  const turns = new Map<number, number[][]>();
  for (const [weight, orders] of byWeight) {
    for (let turn = 1; turn <= weight; turn++) {
      const at = turn / weight;
      const together = turns.get(at);
      if (together === undefined) turns.set(at, [orders]);
      else together.push(orders);
    }
  }
  const schedule: Host[] = [];
  for (const at of [...turns.keys()].sort((a, b) => a - b)) {
    const together = turns.get(at)!;
    const orders = together.length === 1 ? together[0] : together.flat().sort((a, b) => a - b);
    for (const order of orders) schedule.push(hosts[order]);
  }
  return schedule;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

class RandomPicker implements Picker {
  private readonly hosts: readonly Host[];
  constructor(hosts: readonly Host[]) {
    this.hosts = hosts;
  }
  pick(): Host {
    return this.hosts[Math.floor(Math.random() * this.hosts.length)];
  }
}

/** The least busy of `choiceCount` hosts taken by chance: active requests are those of all workers. */
class LeastRequestPicker implements Picker {
  private readonly hosts: readonly Host[];
  private readonly choiceCount: number;
  constructor(hosts: readonly Host[], choiceCount: number) {
    this.hosts = hosts;
    this.choiceCount = choiceCount;
  }
  pick(): Host {
    const { hosts } = this;
    let best = hosts[Math.floor(Math.random() * hosts.length)];
    let fewest = best.loadActiveRequests();
    for (let i = 1; i < this.choiceCount; i++) {
      const host = hosts[Math.floor(Math.random() * hosts.length)];
      const active = host.loadActiveRequests();
      if (active < fewest) {
        best = host;
        fewest = active;
      }
    }
    return best;
  }
}

/** With unequal weights: in turn by deadlines, the next one of a host the sooner the more weight / (active + 1)^bias it has. */
class WeightedLeastRequestPicker implements Picker {
  private readonly hosts: readonly Host[];
  private readonly bias: number;
  private readonly turns: DeadlineHeap;
  constructor(hosts: readonly Host[], bias: number) {
    this.hosts = hosts;
    this.bias = bias;
    // Each worker begins anywhere, or all of them would begin with the same hosts.
    this.turns = new DeadlineHeap(Float64Array.from(hosts, (host) => Math.random() / weightOf(host)));
  }
  pick(): Host {
    const host = this.hosts[this.turns.first];
    this.turns.postpone((host.loadActiveRequests() + 1) ** this.bias / weightOf(host));
    return host;
  }
}

/** Step 8 of the data path: the hosts of a cluster by priority level and health, and the picker over them. */

import type { SharedWords } from '../common/counted_words.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { healthOfFlags, isExcluded } from '../snapshot/layout.ts';
import type { Host } from './host.ts';
import { type LoadBalancingPolicy, makePicker, type Picker } from './load_balancer.ts';
import { localityPicker } from './locality_picker.ts';
import { type LevelHealth, type LoadOptions, type PriorityLoad, priorityLoad } from './priority_load.ts';

/** What is fixed for a cluster. */
export interface BalancerOptions extends LoadOptions {
  readonly policy: LoadBalancingPolicy;
  /** In panic nothing is sent instead of something everywhere. */
  readonly failTrafficOnPanic: boolean;
  /** Localities have weights. */
  readonly localityWeighted: boolean;
}

class Level implements LevelHealth {
  readonly hosts: Host[] = [];
  readonly healthyHosts: Host[] = [];
  readonly degradedHosts: Host[] = [];
  readonly weights = { total: 0, healthy: 0, degraded: 0 };
  excluded = 0;
  get total(): number {
    return this.hosts.length;
  }
  get healthy(): number {
    return this.healthyHosts.length;
  }
  get degraded(): number {
    return this.degradedHosts.length;
  }
}

/** The hosts at one moment; a new one is made when any of them changes. */
export class PrioritySet {
  private readonly options: BalancerOptions;
  private readonly shared: SharedWords;
  private readonly slot: number;
  private readonly stats: Float64Array;
  private readonly levels: Level[] = [new Level()];
  private readonly balanced: Picker;
  /** Pickers that avoid some levels, made when a retry asks. */
  private readonly avoiding = new Map<number, Picker>();

  constructor(hosts: Iterable<Host>, options: BalancerOptions, shared: SharedWords, slot: number, stats: Float64Array) {
    this.options = options;
    this.shared = shared;
    this.slot = slot;
    this.stats = stats;
    for (const host of hosts) this.add(host);
    this.balanced = this.makeBalanced(0);
  }

  /** `avoid` has a bit for each priority level that is to get nothing while another one can take the request. */
  pick(avoid: number): Host | undefined {
    if (avoid === 0) return this.balanced.pick();
    let picker = this.avoiding.get(avoid);
    if (picker === undefined) {
      picker = this.makeBalanced(avoid);
      this.avoiding.set(avoid, picker);
    }
    return picker.pick();
  }

  private add(host: Host): void {
    while (this.levels.length <= host.priority) this.levels.push(new Level());
    const level = this.levels[host.priority];
    level.hosts.push(host);
    const flags = host.healthFlags;
    const health = healthOfFlags(flags);
    if (health === 'healthy') level.healthyHosts.push(host);
    else if (health === 'degraded') level.degradedHosts.push(host);
    if (health !== 'unhealthy') level.weights[health] += host.weight;
    if (isExcluded(flags)) level.excluded++;
    else level.weights.total += host.weight;
  }

  private makeBalanced(avoid: number): Picker {
    const load = priorityLoad(this.levels, this.options, avoid);
    const shares: Share[] = [];
    this.addShares(shares, load, 'healthy');
    this.addShares(shares, load, 'degraded');
    if (shares.length === 1) return shares[0].picker;
    return new SharedPicker(shares);
  }

  private addShares(shares: Share[], load: PriorityLoad, which: 'healthy' | 'degraded'): void {
    load[which].forEach((percent, i) => {
      if (percent === 0) return;
      const level = this.levels[i];
      if (load.panic[i]) {
        const inner = this.options.failTrafficOnPanic ? noHost : this.over(level, level.hosts, i);
        shares.push({ percent, picker: new PanicPicker(inner, this.stats) });
      } else shares.push({ percent, picker: this.over(level, level[`${which}Hosts`], i) });
    });
  }

  private over(level: Level, hosts: readonly Host[], priority: number): Picker {
    const { policy, localityWeighted, overprovisioningFactor } = this.options;
    const byLocality = localityWeighted
      ? localityPicker(policy, level.hosts.filter(counts), hosts, overprovisioningFactor)
      : undefined;
    return byLocality ?? makePicker(policy, hosts, this.shared, this.slot, priority);
  }
}

function counts({ healthFlags }: Host): boolean {
  return !isExcluded(healthFlags);
}

interface Share {
  readonly percent: number;
  readonly picker: Picker;
}

const noHost: Picker = { pick: () => undefined };

/** A level by chance in proportion to its share, then a host of it. */
class SharedPicker implements Picker {
  private readonly shares: readonly Share[];
  constructor(shares: readonly Share[]) {
    this.shares = shares;
  }
  pick(): Host | undefined {
    let point = Math.random() * 100;
    for (const { percent, picker } of this.shares) {
      point -= percent;
      if (point < 0) return picker.pick();
    }
    return this.shares[this.shares.length - 1].picker.pick();
  }
}

class PanicPicker implements Picker {
  private readonly inner: Picker;
  private readonly stats: Float64Array;
  constructor(inner: Picker, stats: Float64Array) {
    this.inner = inner;
    this.stats = stats;
  }
  pick(): Host | undefined {
    this.stats[CLUSTER.slot.lb_healthy_panic]++;
    return this.inner.pick();
  }
}

/** Step 8 of the data path: localities by their weights, then a host of the chosen one (locality_weighted_lb_config). */
import type { Host } from './host.ts';
import { type LoadBalancingPolicy, makePicker, type Picker } from './load_balancer.ts';

/** The hosts of one level that belong together. */
interface Locality {
  readonly weight: number;
  total: number;
  readonly eligible: Host[];
}

/**
 * Undefined when no locality has weight and hosts: then the level is balanced as a whole. `all` are the hosts of the level that
 * count, `eligible` those that may be picked; a locality with few of its hosts left gets less, as in Envoy.
 */
export function localityPicker(
  policy: LoadBalancingPolicy,
  all: readonly Host[],
  eligible: readonly Host[],
  overprovisioningFactor: number,
): Picker | undefined {
  const localities = new Map<number, Locality>();
  for (const { locality } of all) {
    const known = localities.get(locality.index);
    if (known === undefined) localities.set(locality.index, { weight: locality.weight, total: 1, eligible: [] });
    else known.total++;
  }
  for (const host of eligible) localities.get(host.locality.index)?.eligible.push(host);
  const turns: Turn[] = [];
  for (const { weight, total, eligible: hosts } of localities.values()) {
    const share = weight * Math.min(1, (overprovisioningFactor / 100) * (hosts.length / total));
    // Rotation counters of its own: with that of the whole level two localities by turns would each see every other step.
    if (share > 0) turns.push({ share, current: 0, picker: makePicker(policy, hosts, ownWords(), 0) });
  }
  if (turns.length === 0) return undefined;
  return turns.length === 1 ? turns[0].picker : new WeightedTurns(turns);
}

function ownWords(): { words: Int32Array; ledger: Int32Array } {
  const words = new Int32Array(ownCounters).fill(Math.floor(Math.random() * 0x7fffffff));
  return { words, ledger: words };
}

/** As many as a cluster has. */
const ownCounters = 16;

interface Turn {
  readonly share: number;
  current: number;
  readonly picker: Picker;
}

/** Smooth weighted rotation: each gets its share, as evenly spread as can be. */
class WeightedTurns implements Picker {
  private readonly turns: readonly Turn[];
  private readonly total: number;

  constructor(turns: readonly Turn[]) {
    this.turns = turns;
    this.total = turns.reduce((sum, { share }) => sum + share, 0);
    // Workers do not all begin with the same one.
    for (const turn of turns) turn.current = Math.random() * turn.share;
  }

  pick(): Host | undefined {
    let best = this.turns[0];
    for (const turn of this.turns) {
      turn.current += turn.share;
      if (turn.current > best.current) best = turn;
    }
    best.current -= this.total;
    return best.picker.pick();
  }
}

/** How much of each attack is made, and what it may cost at most. */
import type { AttackedListener } from './attacked_proxy.ts';
import type { AttackName } from './attacks.ts';
import type { UnderAttack } from './under_attack.ts';

export interface Bound {
  readonly listener: AttackedListener;
  readonly connections: number;
  readonly amount: number;
  /** All connections must be ended by the proxy. */
  readonly ends: boolean;
  /** Milliseconds held connections are looked at. */
  readonly holdFor: number;
  /** MiB of growth. */
  readonly grown: number;
  /** KiB a held connection; undefined: what `grown` allows. */
  readonly each?: number;
  /** Milliseconds the well-behaved client may wait, all but one of a hundred times. */
  readonly latency: number;
}

const ended = (connections: number, amount: number, grown = 64): Bound => ({
  listener: 'main',
  connections,
  amount,
  ends: true,
  holdFor: 0,
  grown,
  latency: 250,
});
const held = (connections: number, amount: number, grown: number, more: Partial<Bound> = {}): Bound => ({
  ...ended(connections, amount, grown),
  ends: false,
  holdFor: 2000,
  ...more,
});

const million = 1_000_000;

export const bounds: Readonly<Record<AttackName, Bound>> = {
  'rapid reset': ended(10, 10_000),
  MadeYouReset: ended(10, 10_000),
  PING: ended(1, million),
  SETTINGS: ended(1, million),
  PRIORITY: ended(1, million),
  WINDOW_UPDATE: ended(1, million),
  'empty DATA': ended(1, million),
  // Nothing is wrong with them but their number: they are only to cost little. Data beyond the window ends the connection, as
  // many chunks later as the window has bytes.
  'DATA of one byte': { ...ended(1, million), ends: false, latency: 500 },
  'unknown frames': { ...ended(1, million), ends: false },
  'CONTINUATION, empty': ended(1, million),
  'CONTINUATION, full': ended(10, 6000),
  'HPACK bomb': { ...ended(10, 100), ends: false },
  'PRIORITY after many streams': ended(1, million),
  // Of each answer 32 KiB wait and as much has been read; the rest is the thousand requests and connections to the host, all
  // made at once: whoever comes in that instant waits for them.
  'window never opened': held(10, 100, 1000 * (64 / 1024) + 96, { latency: 2500 }),
  'socket never read': held(10, 100, 1000 * (64 / 1024) + 96, { latency: 2500 }),
  // As many as it takes for what one of them needs to stand out from what the collector has not looked at yet.
  'idle HTTP/2': held(4000, 1, 96, { each: 18, latency: 1000 }),
  'idle TLS': held(3000, 1, 160, { listener: 'tls', each: 48, latency: 1000 }),
  'half a TLS handshake': held(1000, 1, 96, { listener: 'tls', ends: true, holdFor: 3000 }),
  'slowloris on TLS': held(1000, 1, 96, { listener: 'tls', ends: true, holdFor: 3500 }),
  'slowloris on HTTP/2': held(1000, 1, 64, { ends: true, holdFor: 3500 }),
};

/** CPU time of the proxy beside the attacker's, from this many milliseconds on. */
const cpuRatio = 100;
const cpuFrom = 500;

/** What goes beyond the bound, in words. */
export function exceeded(bound: Bound, figures: UnderAttack): string[] {
  const { connections, closed, beside, grown, each, cpu, attackerCpu } = figures;
  const wrong: string[] = [];
  if (bound.ends && closed < connections) wrong.push(`${connections - closed} of ${connections} connections not ended`);
  if (beside.failed > 0) wrong.push(`${beside.failed} requests beside failed`);
  if (beside.p99 > bound.latency) wrong.push(`p99 beside ${beside.p99.toFixed(0)} ms`);
  if (grown > bound.grown * 1024) wrong.push(`grew by ${(grown / 1024).toFixed(0)} MiB of ${bound.grown.toFixed(0)}`);
  if (bound.each !== undefined && each > bound.each) wrong.push(`${each.toFixed(1)} KiB a connection of ${bound.each}`);
  if (cpu > cpuFrom && cpu > cpuRatio * attackerCpu)
    wrong.push(`${cpu.toFixed(0)} ms of CPU for ${attackerCpu.toFixed(0)}`);
  return wrong;
}

/** What must hold at the end of a soak. Each check gives the sentences of what does not. */
import { idleLimits } from './configuration.ts';
import type { Tally } from './tally.ts';

/** Every ten seconds: MiB, and how many descriptors. */
export interface Sample {
  readonly rss: number;
  readonly heap: number;
  readonly buffers: number;
  readonly descriptors: number;
}

/** Nothing may be under way any more: gauges that end so must be 0. */
const idleGauges = [
  /\.downstream_cx_active$/,
  /\.downstream_cx_(http1|http2|ssl|upgrades)_active$/,
  /\.downstream_pre_cx_active$/,
  /\.downstream_rq_active$/,
  /\.upstream_(cx|rq|rq_pending)_active$/,
  /http2\.(streams_active|pending_send_bytes|outbound_frames_active|outbound_control_frames_active)$/,
  /_bytes_buffered$/,
  /circuit_breakers\.\w+\.\w+_open$/,
  /^server\.total_connections$/,
];
/** Counters of what must never happen. */
const never = ['server.worker_restarts', 'server.envoy_bug_failures', 'server.debug_assertion_failures'];

/** Names and values of what is not back to what it is without traffic. */
export function stillBusy(statistics: Readonly<Record<string, number>>): string[] {
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(statistics)) {
    if (name.startsWith('http.admin.') || name.startsWith('listener.admin.')) continue;
    const limit = idleLimits[name.slice(name.lastIndexOf('.') + 1)];
    if (limit !== undefined && name.includes('.default.') && value !== limit)
      wrong.push(`${name} is ${value} of ${limit}`);
    else if (value !== 0 && idleGauges.some((gauge) => gauge.test(name))) wrong.push(`${name} is ${value}`);
  }
  for (const name of never) if ((statistics[name] ?? 0) !== 0) wrong.push(`${name} is ${statistics[name]}`);
  return wrong;
}

export function lost(tally: Tally): string[] {
  return [...tally.failures].map(([what, count]) => `${count} × ${what}`);
}

/** MiB that are no growth, and the share; a short run has not reached what it needs yet. */
const slack = { rss: { share: 0.05, more: 8 }, heap: { share: 0.05, more: 1.5 }, buffers: { share: 0.1, more: 6 } };

/** Compares the last third of the samples with the second. */
export function growth(samples: readonly Sample[], seconds: number): string[] {
  const third = Math.floor(samples.length / 3);
  if (third === 0) return ['too few samples to judge memory'];
  const lenient = seconds < 100 ? 3 : 1;
  const mean = (from: number, name: keyof Sample) =>
    samples.slice(from, from + third).reduce((sum, sample) => sum + sample[name], 0) / third;
  const wrong: string[] = [];
  for (const name of ['rss', 'heap', 'buffers'] as const) {
    const last = mean(samples.length - third, name);
    const second = mean(samples.length - 2 * third, name);
    const allowed = second + lenient * (second * slack[name].share + slack[name].more);
    const text = `${name} ${second.toFixed(1)} → ${last.toFixed(1)} MiB (second third to last; allowed ${allowed.toFixed(1)})`;
    console.log(text);
    if (last > allowed) wrong.push(text);
  }
  return wrong;
}

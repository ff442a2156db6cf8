/** Step 5 of the data path: what is counted of a stream at its end, for its manager and its listener. */
import { HTTP, LISTENER_HTTP } from '../common/stats/layouts.ts';
import type { HttpConnectionManagerConfig } from './config.ts';

const families = [
  undefined,
  'downstream_rq_1xx',
  'downstream_rq_2xx',
  'downstream_rq_3xx',
  'downstream_rq_4xx',
  'downstream_rq_5xx',
] as const;

/** Counts an answer by its status; 0: there was none. */
export function countAnswer(config: HttpConnectionManagerConfig, status: number): void {
  if (status === 0) return;
  const { stats, listenerStats } = config;
  const family = families[Math.floor(status / 100)];
  stats[HTTP.slot.downstream_rq_completed]++;
  listenerStats[LISTENER_HTTP.slot.downstream_rq_completed]++;
  if (family === undefined) return;
  stats[HTTP.slot[family]]++;
  listenerStats[LISTENER_HTTP.slot[family]]++;
}

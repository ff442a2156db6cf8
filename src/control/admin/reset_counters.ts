/** POST /reset_counters */
import { type Endpoint, text } from './endpoint.ts';

export const resetCounters: Endpoint = {
  path: '/reset_counters',
  help: 'reset all counters to zero',
  mutates: true,
  handle(context) {
    context.stats.resetCounters();
    return text('OK\n');
  },
};

/** /stats/recentlookups: our names are looked up when configuration arrives and never after, so there is nothing to track. */
import { type Endpoint, text } from './endpoint.ts';

export const recentLookups: Endpoint = {
  path: '/stats/recentlookups',
  help: 'Show recent stat-name lookups',
  handle: () => text('Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n'),
};

function accepted(path: string, help: string): Endpoint {
  return { path, help, mutates: true, handle: () => text('OK\n') };
}

export const recentLookupsClear = accepted('/stats/recentlookups/clear', 'clear list of stat-name lookups and counter');
export const recentLookupsDisable = accepted(
  '/stats/recentlookups/disable',
  'disable recording of reset stat-name lookup names',
);
export const recentLookupsEnable = accepted(
  '/stats/recentlookups/enable',
  'enable recording of reset stat-name lookup names',
);

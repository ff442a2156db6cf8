/** /stats/recentlookups: our names are looked up when configuration arrives and never after, so there is nothing to track. */
import { type Endpoint, text } from './endpoint.ts';

/** All that can be seen of it. */
let enabled = false;

export const recentLookups: Endpoint = {
  path: '/stats/recentlookups',
  help: 'Show recent stat-name lookups',
  handle: () =>
    text(
      enabled
        ? '   Count Lookup\n\ntotal: 0\n'
        : 'Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n',
    ),
};

function accepted(path: string, help: string, apply: () => void = () => {}): Endpoint {
  return {
    path,
    help,
    mutates: true,
    handle() {
      apply();
      return text('OK\n');
    },
  };
}

export const recentLookupsClear = accepted('/stats/recentlookups/clear', 'clear list of stat-name lookups and counter');
export const recentLookupsDisable = accepted(
  '/stats/recentlookups/disable',
  'disable recording of reset stat-name lookup names',
  () => {
    enabled = false;
  },
);
export const recentLookupsEnable = accepted(
  '/stats/recentlookups/enable',
  'enable recording of reset stat-name lookup names',
  () => {
    enabled = true;
  },
);

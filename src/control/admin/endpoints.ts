/** All endpoints of the admin interface, in the order of /help. */
import { certs } from './certs.ts';
import { clusters } from './clusters.ts';
import { configDump } from './config_dump.ts';
import { drainListeners } from './drain_listeners.ts';
import { type AdminReply, type Endpoint, html, text } from './endpoint.ts';
import { healthcheckFail, healthcheckOk } from './healthcheck.ts';
import { hotRestartVersion } from './hot_restart_version.ts';
import { initDump } from './init_dump.ts';
import { listeners } from './listeners.ts';
import { logging } from './logging.ts';
import { memory } from './memory.ts';
import { page } from './page.ts';
import { allocprofiler, contention, cpuprofiler, heapDump, heapprofiler, peakHeapDump, tcmalloc } from './profilers.ts';
import { quitquitquit } from './quitquitquit.ts';
import { ready } from './ready.ts';
import { recentLookups, recentLookupsClear, recentLookupsDisable, recentLookupsEnable } from './recent_lookups.ts';
import { reopenLogs } from './reopen_logs.ts';
import { resetCounters } from './reset_counters.ts';
import { runtime, runtimeModify } from './runtime.ts';
import { serverInfo } from './server_info.ts';
import { stats, statsPrometheus } from './stats/endpoints.ts';

const home: Endpoint = {
  path: '/',
  help: 'Admin home page',
  handle: (_, request) =>
    html(
      page(
        all.filter((endpoint) => endpoint !== home),
        request,
      ),
    ),
};

const help: Endpoint = {
  path: '/help',
  help: 'print out list of admin commands',
  handle: () => text(helpText),
};

const all: readonly Endpoint[] = [
  home,
  allocprofiler,
  certs,
  clusters,
  configDump,
  contention,
  cpuprofiler,
  drainListeners,
  healthcheckFail,
  healthcheckOk,
  heapDump,
  heapprofiler,
  help,
  hotRestartVersion,
  initDump,
  listeners,
  logging,
  memory,
  tcmalloc,
  peakHeapDump,
  quitquitquit,
  ready,
  reopenLogs,
  resetCounters,
  runtime,
  runtimeModify,
  serverInfo,
  stats,
  statsPrometheus,
  recentLookups,
  recentLookupsClear,
  recentLookupsDisable,
  recentLookupsEnable,
];

const byPath = new Map(all.map((endpoint) => [endpoint.path, endpoint]));

const helpText = `admin commands are:\n${all.map(helpLines).join('')}`;

function helpLines({ path, help, mutates, params = [] }: Endpoint): string {
  const lines = params.map((param) => `      ${param.name}: ${param.help}\n`);
  return `  ${path}${mutates ? ' (POST)' : ''}: ${help}\n${lines.join('')}`;
}

/** The endpoint of a path, or what to answer instead. */
export function findEndpoint(method: string, path: string): Endpoint | { readonly reply: AdminReply } {
  const endpoint = byPath.get(path);
  if (endpoint === undefined) return { reply: text(`invalid path. ${helpText}`, 404) };
  if (endpoint.mutates && method !== 'POST') {
    return { reply: text(`Method ${method} not allowed, POST required.`, 405) };
  }
  return endpoint;
}

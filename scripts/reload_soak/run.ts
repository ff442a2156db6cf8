/** `npm run reload-soak [-- REQUESTS RELOADS]`: requests while the configuration is reloaded; the exit code tells whether one failed. */
import { reloadSoak } from '../../test/support/reload_soak.ts';

const [requests = 20_000, reloads = 50] = process.argv.slice(2).map(Number);
const { failures, ...result } = await reloadSoak(requests, reloads);
process.stdout.write(
  `${result.requests} requests on ${result.connections} connections across ${result.reloads} reloads; ` +
    `the slowest reload took ${Math.round(result.slowestReload)} ms\n`,
);
for (const [why, count] of failures) process.stdout.write(`${count} failed: ${why}\n`);
process.stdout.write(failures.size === 0 ? 'none failed\n' : '');
process.exit(failures.size === 0 ? 0 : 1);

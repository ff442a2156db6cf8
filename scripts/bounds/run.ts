/**
 * What attacks over HTTP/2 and TLS may cost: `npm run bounds -- [--only NAME,NAME] [--scale 1]`. A well-behaved client at 200
 * requests a second is beside each; prints one row an attack and fails when one goes beyond its bound. Linux.
 */
import { parseArgs } from 'node:util';
import { bounds, exceeded } from '../../test/support/attack_bounds.ts';
import { attackedProxy } from '../../test/support/attacked_proxy.ts';
import type { AttackName } from '../../test/support/attacks.ts';
import { measureAttack, SteadyClient } from '../../test/support/under_attack.ts';

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    /** Share of the full load. */
    scale: { type: 'string', default: '1' },
  },
});
const only = args.only === '' ? undefined : new Set(args.only.split(','));
const scale = Number(args.scale);

console.log(
  '| attack | connections | ended by the proxy | sent MB | s | served beside | failed | p99 ms quiet → beside | grown MiB | KiB a connection | CPU ms proxy | CPU ms attacker | |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|---|---|');
for (const [name, bound] of Object.entries(bounds)) {
  if (only !== undefined && !only.has(name)) continue;
  // Each on a proxy of its own: memory that one attack left behind would hide what the next one takes.
  const { proxy, stop, listener } = await attackedProxy(bound.listener);
  const client = new SteadyClient(proxy.port('main'), 'well');
  const figures = await measureAttack({
    order: {
      name: name as AttackName,
      port: proxy.port(listener),
      connections: Math.ceil(bound.connections * scale),
      amount: Math.ceil(bound.amount * scale),
    },
    client,
    pid: proxy.pid,
    quietFor: 1500,
    holdFor: bound.holdFor,
    warmUp: bound.each === undefined ? 0 : 500,
  });
  const wrong = exceeded(bound, figures);
  if ((await proxy.stat('server.worker_restarts')) !== 0) wrong.push('a worker ended');
  client.close();
  await stop();
  const { connections, closed, sentBytes, took, quiet, beside, grown, each, cpu, attackerCpu } = figures;
  const row = [
    ...[name, connections, closed, (sentBytes / 1e6).toFixed(1), (took / 1000).toFixed(1)],
    ...[beside.requests, beside.failed, `${quiet.p99.toFixed(0)} → ${beside.p99.toFixed(0)}`],
    ...[(grown / 1024).toFixed(0), each === 0 ? '' : each.toFixed(1), Math.round(cpu), Math.round(attackerCpu)],
    wrong.length === 0 ? 'passed' : `FAILED: ${wrong.join('; ')}`,
  ];
  console.log(`| ${row.join(' | ')} |`);
  if (wrong.length > 0) process.exitCode = 1;
}
process.exit();

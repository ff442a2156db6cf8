/** Attacks over HTTP/2, a tenth of what `npm run bounds` makes: each is ended, takes little memory, and spoils nothing for others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounds, exceeded } from '../support/attack_bounds.ts';
import { attackedProxy } from '../support/attacked_proxy.ts';
import type { AttackName } from '../support/attacks.ts';
import { measureAttack, SteadyClient } from '../support/under_attack.ts';

const share = 0.1;
/** Those on TLS and those that wait for a timeout have tests of their own; the idle ones need many connections to say something. */
const skipped: readonly AttackName[] = ['idle HTTP/2', 'slowloris on HTTP/2', 'unknown frames', 'DATA of one byte'];

test('each attack stays within its bound', { timeout: 60_000 }, async (t) => {
  // One proxy for all: what one of them left behind would be felt by the next.
  const { proxy, stop } = await attackedProxy('main');
  const client = new SteadyClient(proxy.port('main'), 'well');
  for (const [key, bound] of Object.entries(bounds)) {
    const name = key as AttackName;
    if (bound.listener !== 'main' || skipped.includes(name)) continue;
    await t.test(name, async () => {
      const figures = await measureAttack({
        order: {
          name,
          port: proxy.port('main'),
          connections: Math.ceil(bound.connections * share),
          amount: bound.ends ? Math.ceil(bound.amount * share) : bound.amount,
        },
        client,
        pid: proxy.pid,
        quietFor: 100,
        holdFor: bound.holdFor,
        warmUp: 0,
      });
      // How long others wait is for a quiet machine to say.
      assert.deepEqual(exceeded({ ...bound, latency: Number.POSITIVE_INFINITY }, figures), []);
    });
  }
  assert.equal(await proxy.stat('server.worker_restarts'), 0);
  client.close();
  await stop();
});

/** Statistics of listeners and clusters that a control plane took away go too: names that change for ever must not fill memory. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { httpListener, type Json } from '../support/bootstrap.ts';
import { startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const direct = { match: { prefix: '/' }, direct_response: { status: 200 } };
const ads = { ads: {}, resource_api_version: 'V3' };

function eds(name: string): Json {
  return { name, type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config: ads } };
}

test('of a listener at the end of the drain time, of a cluster at once', async () => {
  const server = new ResourceServer();
  await server.start();
  const stays = httpListener('stays', [direct], {}, { stat_prefix: 'one.two' });
  const goes = httpListener('goes', [direct], {}, { stat_prefix: 'one' });
  server.set(types.cluster, [eds('a'), eds('b')]);
  server.set(
    types.endpoints,
    ['a', 'b'].map((cluster_name) => ({ cluster_name })),
  );
  server.set(types.listener, [stays, goes]);
  const proxy = await startProxy(adsBootstrap(server.port), { concurrency: 2, args: ['--drain-time-s', '1'] });
  running.push(
    () => server.stop(),
    () => proxy.stop(),
  );
  for (const name of ['stays', 'goes']) assert.equal((await request(proxy.port(name), '/')).status, 200);
  const names = async () => (await proxy.admin('/stats')).text.split('\n').map((line) => line.split(':')[0]);
  assert.ok((await names()).includes('listener.one.downstream_cx_total'));
  assert.ok((await names()).includes('cluster.b.version_text'));
  server.set(types.listener, [stays]);
  server.set(types.cluster, [eds('a')]);
  const gone = async () => !(await names()).some((name) => /^(listener\.one\.(?!two)|cluster\.b\.)/.test(name));
  await waitFor('the names to go', gone, { withinMs: 15_000 });
  assert.equal(await proxy.stat('listener.one.two.downstream_cx_total'), 1, 'another whose prefix begins so');
  assert.ok((await names()).includes('cluster.a.version_text'));
});

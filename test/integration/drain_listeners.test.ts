/** /drain_listeners, /healthcheck/fail and the drain strategies, as old and new connections see them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bootstrap, cluster, httpListener, route, tcpListener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startUpstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

async function setUp(t: TestContext, args: string[]): Promise<RunningProxy> {
  const upstream = await startUpstream();
  const routes = [route('/', 'a')];
  const listeners = [
    httpListener('main', routes),
    httpListener('inbound', routes, {}, { traffic_direction: 'INBOUND' }),
    httpListener('modify', routes, {}, { drain_type: 'MODIFY_ONLY' }),
    tcpListener('tcp', 'a'),
    tcpListener('draining', 'a', { check_drain_close: true }),
  ];
  const proxy = await startProxy(bootstrap(listeners, [cluster('a', [upstream.port])]), { args, concurrency: 2 });
  t.after(async () => {
    await proxy.stop();
    await upstream.close();
  });
  return proxy;
}

async function connectionHeader(proxy: RunningProxy, listener: string): Promise<string | undefined> {
  return (await request(proxy.port(listener), '/')).get('connection');
}

const refused = (proxy: RunningProxy, listener: string) =>
  waitFor('refused connection', () =>
    RawClient.connect(proxy.port(listener)).then(
      (client) => client.destroy(),
      (error) => error.code === 'ECONNREFUSED',
    ),
  );

test('failed health checks close connections, but those of listeners that drain for changes only', async (t) => {
  const proxy = await setUp(t, []);
  await proxy.admin('/healthcheck/fail', 'POST');
  await waitFor('close', async () => (await connectionHeader(proxy, 'main')) === 'close');
  assert.equal(await connectionHeader(proxy, 'modify'), undefined);
  const client = await RawClient.connect(proxy.port('draining'));
  client.send(requestBytes('/'));
  await client.untilClosed();
  assert.equal(await proxy.stat('tcp.draining.downstream_cx_drain_close'), 1);
  assert.equal((await request(proxy.port('tcp'), '/')).status, 200);
  await proxy.admin('/healthcheck/ok', 'POST');
  await waitFor('no close', async () => (await connectionHeader(proxy, 'main')) === undefined);
});

test('listeners stop at once and what is open goes on; a worker that starts anew does not listen again', async (t) => {
  const proxy = await setUp(t, []);
  const client = await RawClient.connect(proxy.port('main'));
  client.send(requestBytes('/'));
  await client.response();
  await proxy.admin('/drain_listeners?inboundonly', 'POST');
  await refused(proxy, 'inbound');
  assert.equal((await request(proxy.port('main'), '/')).status, 200);
  await proxy.admin('/drain_listeners', 'POST');
  await refused(proxy, 'main');
  client.send(requestBytes('/again'));
  assert.equal((await client.response()).text, 'GET /again\n');
  assert.equal(await proxy.stat('listener_manager.listener_stopped'), 5);
  assert.equal((await proxy.admin('/ready')).status, 200);
  client.destroy();
});

test('gracefully: every answer closes its connection with the immediate strategy, then the listeners stop', async (t) => {
  const proxy = await setUp(t, ['--drain-time-s', '1', '--drain-strategy', 'immediate']);
  await proxy.admin('/drain_listeners?graceful', 'POST');
  await waitFor('close', async () => (await connectionHeader(proxy, 'main')) === 'close');
  assert.equal(await connectionHeader(proxy, 'modify'), 'close');
  await refused(proxy, 'main');
});

test('with the gradual strategy ever more answers close their connections; skip_exit leaves the listeners', async (t) => {
  const proxy = await setUp(t, ['--drain-time-s', '1']);
  await proxy.admin('/drain_listeners?graceful&skip_exit', 'POST');
  await delay(1100);
  for (let i = 0; i < 5; i++) assert.equal(await connectionHeader(proxy, 'main'), 'close');
});

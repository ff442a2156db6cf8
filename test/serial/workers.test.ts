/** A worker that dies: the others lose nothing, a new one serves within two seconds, and shared counts are put right. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createProxy, type Proxy } from '../../src/index.ts';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

let upstream: Upstream;
let proxy: Proxy;

before(async () => {
  upstream = await startUpstream({
    respond: (request, socket) => {
      if (request.path !== '/never') respond(socket, { body: 'ok' });
    },
  });
  const clusters = [
    cluster('all', [upstream.port], { circuit_breakers: { thresholds: [{ max_requests: 1000 }] } }),
    cluster('one', [upstream.port], { circuit_breakers: { thresholds: [{ max_requests: 1 }] } }),
  ];
  const routes = [route('/never', 'one'), route('/one', 'one'), route('/', 'all')];
  const config = bootstrap([httpListener('main', routes, {}, { stat_prefix: 'main' })], clusters);
  proxy = await createProxy({ config, concurrency: 3, flags: ['-l', 'off'] });
});
after(async () => {
  await proxy?.close();
  await upstream?.close();
});

/** A connection, and the worker that took it. */
async function connectTo(worker: number): Promise<RawClient> {
  const name = (index: number) => `listener.main.worker_${index}.downstream_cx_total`;
  for (;;) {
    const before = proxy.stat(name(worker));
    const client = await RawClient.connect(proxy.port('main'));
    client.send(requestBytes('/'));
    // A worker that is dying may have taken the connection: then it is not the one that is looked for.
    const answered = await client.response().then(
      () => true,
      () => false,
    );
    if (answered && proxy.stat(name(worker)) > before) return client;
    client.destroy();
  }
}

test('a dead worker costs the others no request and is replaced within two seconds', async () => {
  // One after the other: a connection is known by the count it raises.
  const clients = [await connectTo(0), await connectTo(1)];
  let running = true;
  let answered = 0;
  const load = clients.map(async (client) => {
    while (running) {
      client.send(requestBytes('/'));
      const response = await client.response();
      assert.equal(response.status, 200);
      answered++;
    }
  });
  await waitFor('load on the workers that stay', () => answered > 200);
  const died = performance.now();
  proxy.server.workers.crash(2);
  await waitFor('the restart to be counted', () => proxy.stat('server.worker_restarts') === 1);
  const replaced = await connectTo(2);
  const took = performance.now() - died;
  assert.ok(took < 2000, `a new worker served after ${Math.round(took)} ms`);
  const before = answered;
  await waitFor('load to go on', () => answered > before + 200);
  running = false;
  await Promise.all(load);
  for (const client of [...clients, replaced]) client.destroy();
});

test('what a dead worker held of a circuit breaker is free again', async () => {
  const client = await connectTo(1);
  client.send(requestBytes('/never'));
  await waitFor('the request to reach the host', () => upstream.requests.some(({ path }) => path === '/never'));
  const other = await connectTo(0);
  other.send(requestBytes('/one'));
  assert.equal((await other.response()).status, 503);
  const restarts = proxy.stat('server.worker_restarts');
  proxy.server.workers.crash(1);
  await waitFor('the restart to be counted', () => proxy.stat('server.worker_restarts') === restarts + 1);
  other.send(requestBytes('/one'));
  assert.equal((await other.response()).status, 200);
  for (const open of [client, other]) open.destroy();
});

test('counters outlive the worker, gauges do not', async () => {
  const total = proxy.stat('http.ingress.downstream_rq_total');
  const restarts = proxy.stat('server.worker_restarts');
  const client = await connectTo(0);
  const open = () => proxy.stat('http.ingress.downstream_cx_active');
  await waitFor('the connections of the test before to be gone', () => open() === 1);
  proxy.server.workers.crash(0);
  await waitFor('the restart', () => proxy.stat('server.worker_restarts') === restarts + 1);
  assert.ok(proxy.stat('http.ingress.downstream_rq_total') > total);
  assert.equal(open(), 0);
  client.destroy();
});

test('a worker that hangs is found within 5 s and replaced, and the others serve on', async () => {
  const restarts = proxy.stat('server.worker_restarts');
  const client = await connectTo(0);
  const stuck = await connectTo(2);
  const hung = performance.now();
  proxy.server.workers.crash(2, 'loop');
  stuck.send(requestBytes('/'));
  let answered = 0;
  while (proxy.stat('server.worker_restarts') === restarts) {
    client.send(requestBytes('/'));
    assert.equal((await client.response()).status, 200);
    answered++;
    await delay(5);
  }
  const took = performance.now() - hung;
  assert.ok(took < 5000, `found after ${Math.round(took)} ms`);
  assert.ok(answered > 100);
  assert.ok(await stuck.closes(1000), 'its connections are closed');
  const replaced = await connectTo(2);
  for (const open of [client, stuck, replaced]) open.destroy();
});

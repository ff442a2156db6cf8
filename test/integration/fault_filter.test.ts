/** What the fault filter does to both sides beyond the single answer: back-pressure, clients that leave, limits over all workers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, route, router } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const fault = (config: Json): Json => ({
  name: 'envoy.filters.http.fault',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', ...config },
});
const always = { percentage: { numerator: 100 } };

let upstream: Upstream;
let proxy: RunningProxy;
/** Bytes that the host got rid of. */
let sent = 0;
const total = 8 << 20;

before(async () => {
  upstream = await startUpstream({
    respond(_request, socket) {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
      const piece = Buffer.alloc(65_536, 'x');
      const write = (): void => {
        if (sent >= total || socket.destroyed) return;
        sent += piece.length;
        socket.write(piece, write);
      };
      write();
    },
  });
  const routes = [route('/', 'a')];
  const listener = (name: string, config: Json) =>
    httpListener(
      name,
      routes,
      { stat_prefix: name, http_filters: [fault(config), router] },
      {
        per_connection_buffer_limit_bytes: 65_536,
      },
    );
  const clusters = [cluster('a', [upstream.port], { per_connection_buffer_limit_bytes: 65_536 })];
  const slow = { response_rate_limit: { fixed_limit: { limit_kbps: 64 }, ...always } };
  const delayed = { delay: { fixed_delay: '0.6s', ...always }, max_active_faults: 2 };
  const listeners = [listener('slow', slow), listener('delayed', delayed)];
  proxy = await startProxy(bootstrap(listeners, clusters), { concurrency: 2 });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

test('an answer that is held back holds its host back', async () => {
  const client = await RawClient.connect(proxy.port('slow'));
  client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
  await waitFor('a few slices', () => client.received > 12_000);
  const early = sent;
  await new Promise((resolve) => setTimeout(resolve, 300));
  // What is on its way are kernel buffers and ours; the host does not get rid of the rest.
  assert.ok(sent < total && sent - early <= 262_144, `${early} then ${sent} of ${total}`);
  assert.ok(client.received < 80_000, `${client.received}`);
  assert.ok((await proxy.stat('cluster.a.upstream_flow_control_paused_reading_total')) > 0);
  client.destroy();
  await waitFor('the end', async () => (await proxy.stat('http.slow.fault.active_faults')) === 0);
  assert.equal(await proxy.stat('http.slow.fault.response_rl_injected'), 1);
});

test('max_active_faults counts over all workers, and those who leave are not counted any more', async () => {
  const port = proxy.port('delayed');
  const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(port)));
  for (const client of clients) client.send('HEAD / HTTP/1.1\r\nhost: h\r\n\r\n');
  await waitFor('the limit', async () => (await proxy.stat('http.delayed.fault.faults_overflow')) === 4);
  assert.equal(await proxy.stat('http.delayed.fault.active_faults'), 2);
  for (const client of clients) client.reset();
  await waitFor('none', async () => (await proxy.stat('http.delayed.fault.active_faults')) === 0);
  const started = performance.now();
  await request(port, '/', { method: 'HEAD' });
  assert.ok(performance.now() - started > 550);
});

/** Requests sent more than once through the real proxy: retries that must not happen, copies, and redirects followed inside. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { respond, startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let spare: Upstream;
let shadow: Upstream;
/** Takes connections and reads nothing. */
let deaf: Omit<Upstream, 'script'>;
let port: number;

const type = (name: string): Json => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });
const retry = (on: string, interval: string, more: Json = {}): Json => ({
  retry_policy: {
    retry_on: on,
    num_retries: 2,
    retry_back_off: { base_interval: interval, max_interval: interval },
    ...more,
  },
});

before(async () => {
  upstream = await startUpstream();
  spare = await startUpstream();
  shadow = await startUpstream();
  deaf = await startTcpUpstream((socket) => socket.pause());
  const levels: Json = {
    name: 'levels',
    type: 'STATIC',
    load_assignment: {
      cluster_name: 'levels',
      endpoints: [upstream.port, spare.port].map((to, priority) => ({
        priority,
        lb_endpoints: [{ endpoint: { address: loopback(to) } }],
      })),
    },
  };
  const previousPriorities = {
    name: 'previous',
    typed_config: { ...type('retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'), update_frequency: 1 },
  };
  const routes = [
    // The wait is by chance between 0 and this.
    route('/wait', 'a', retry('5xx', '1000s')),
    route('/reset', 'a', retry('5xx,reset', '0.001s')),
    route('/none', 'a', retry('reset-before-request', '0.001s')),
    route('/levels', 'levels', retry('5xx', '0.001s', { retry_priority: previousPriorities })),
    route('/deaf', 'a', { request_mirror_policies: [{ cluster: 'deaf' }] }),
    route('/mirror', 'a', { request_mirror_policies: [{ cluster: 'shadow' }] }),
    route('/redirect', 'a', { internal_redirect_policy: {} }),
    route('/', 'a'),
  ];
  const clusters = [
    cluster('a', [upstream.port]),
    cluster('shadow', [shadow.port]),
    cluster('deaf', [deaf.port]),
    levels,
  ];
  const listener = httpListener('main', routes, {}, { per_connection_buffer_limit_bytes: 100_000 });
  proxy = await startProxy(bootstrap([listener], clusters));
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  for (const server of [upstream, spare, shadow, deaf]) await server?.close();
});
beforeEach(() => {
  for (const server of [upstream, spare, shadow]) {
    server.requests.length = 0;
    server.script = {};
  }
});

test('a request that outgrows the buffer while it waits for its retry gets 507', async () => {
  upstream.script = {
    onHead: (_request, socket) => {
      respond(socket, { status: 503 });
      return true;
    },
  };
  const client = await RawClient.connect(port);
  client.send(`POST /wait HTTP/1.1\r\nHost: test\r\nContent-Length: 500000\r\n\r\n${'x'.repeat(1000)}`);
  await waitFor('the first try', () => upstream.requests.length === 1);
  await waitFor('its end', async () => (await proxy.stat('cluster.a.upstream_rq_active')) === 0);
  client.send('x'.repeat(200_000));
  const response = await client.response('POST');
  assert.equal(response.status, 507);
  assert.equal(response.text, 'exceeded request buffer limit while retrying upstream');
  assert.equal(await proxy.stat('cluster.a.retry_or_shadow_abandoned'), 1);
  client.destroy();
});

test('a request is not sent again once its answer has begun', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    },
  };
  const response = await request(port, '/reset');
  assert.equal(response.status, 200);
  assert.equal(response.complete, false);
  assert.equal(upstream.requests.length, 1);
});

test('a reused connection that dies before any byte: sent again by reset, not by reset-before-request', async () => {
  assert.equal((await request(port, '/reset')).status, 200);
  let died = 0;
  upstream.script = {
    respond: (_request, socket) => {
      if (died++ === 0) socket.destroy();
      else respond(socket, { status: 200 });
    },
  };
  assert.equal((await request(port, '/reset', { method: 'POST', body: 'once' })).status, 200);
  assert.deepEqual(
    upstream.requests.slice(1).map((r) => r.body.toString()),
    ['once', 'once'],
  );
  died = 0;
  assert.equal((await request(port, '/none')).status, 503);
});

test('a retry avoids the priority level that failed', async () => {
  upstream.script = { respond: (_request, socket) => respond(socket, { status: 503 }) };
  for (let i = 0; i < 5; i++) assert.equal((await request(port, '/levels')).status, 200);
  assert.equal(spare.requests.length, 5);
});

// Envoy waits for the slowest shadow host.
test('a shadow host that reads nothing holds nobody up', { skip: isEnvoy }, async () => {
  const body = 'x'.repeat(8_000_000);
  const response = await request(port, '/deaf', { method: 'POST', body });
  assert.equal(response.status, 200);
  assert.equal(upstream.requests[0].body.length, body.length);
});

test('the copy of a request that breaks off is broken off too', async () => {
  const client = await RawClient.connect(port);
  client.send('POST /mirror HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf');
  await waitFor('the copy', () => shadow.requests.length === 1);
  assert.equal(shadow.requests[0].get('host'), 'test-shadow');
  client.destroy();
  await waitFor('its end', () => shadow.requests[0].aborted);
});

test('a copy is finished when its request was whole, though the answer is long out', async () => {
  const late: (() => void)[] = [];
  shadow.script = { respond: (_request, socket) => void late.push(() => respond(socket, { status: 201 })) };
  assert.equal((await request(port, '/mirror')).status, 200);
  await waitFor('the copy', () => late.length === 1);
  late[0]();
  await waitFor('its answer', async () => (await proxy.stat('cluster.shadow.upstream_rq_201')) === 1);
});

test('a redirect is passed on when the request is too long to be sent again', async () => {
  upstream.script = {
    respond: (r, socket) => {
      const headers = { location: 'http://test/landed' };
      if (r.path === '/redirect') respond(socket, { status: 302, headers });
      else respond(socket, { status: 200, body: r.body.toString() });
    },
  };
  const followed = await request(port, '/redirect', { method: 'POST', body: 'short' });
  assert.equal(followed.status, 200);
  assert.equal(followed.text, 'short');
  const passed = await request(port, '/redirect', { method: 'POST', body: 'x'.repeat(300_000) });
  assert.equal(passed.status, 302);
});

test('a connection serves on after a redirect was followed on it', async () => {
  upstream.script = {
    respond: (r, socket) => {
      if (r.path === '/redirect') respond(socket, { status: 302, headers: { location: 'http://test/landed' } });
      else respond(socket, { status: 200, body: r.path });
    },
  };
  const client = await RawClient.connect(port);
  client.send('GET /redirect HTTP/1.1\r\nHost: test\r\n\r\nGET /next HTTP/1.1\r\nHost: test\r\n\r\n');
  assert.equal((await client.response()).text, '/landed');
  assert.equal((await client.response()).text, '/next');
  client.destroy();
});

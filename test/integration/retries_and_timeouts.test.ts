/** Retries and timeouts through the real proxy: what is tried again, how often, with which body, and what ends a wait. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type Blackhole, startBlackhole } from '../support/blackhole.ts';
import { bootstrap, cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let blackhole: Blackhole;
let port: number;

const fastBackOff = { base_interval: '0.001s', max_interval: '0.01s' };
const retry = (on: string, more: Json = {}): Json => ({
  retry_policy: { retry_on: on, num_retries: 2, retry_back_off: fastBackOff, ...more },
});
const countAttempts = { include_request_attempt_count: true, include_attempt_count_in_response: true };

const routes: Json[] = [
  route('/5xx', 'a', retry('5xx')),
  route('/gateway', 'a', retry('gateway-error')),
  route('/reset', 'a', retry('reset')),
  route('/connect', 'half-dead', retry('connect-failure', { num_retries: 3 })),
  route('/codes', 'a', retry('retriable-status-codes', { retriable_status_codes: [429] })),
  route('/per-try', 'a', { timeout: '5s', ...retry('5xx', { num_retries: 1, per_try_timeout: '0.15s' }) }),
  route('/slow', 'a', { timeout: '0.2s' }),
  route('/stream-idle', 'a', { timeout: '0s', idle_timeout: '0.3s' }),
  route('/blackhole', 'blackhole'),
  route('/', 'a', { timeout: '0s' }),
];

before(async () => {
  upstream = await startUpstream();
  blackhole = await startBlackhole();
  const dead = await startUpstream();
  await dead.close();
  const manager = {
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes, ...countAttempts }] },
    request_timeout: '0.5s',
  };
  // Envoy drains an idle connection for drain_timeout before it closes it.
  const idleSoon = { common_http_protocol_options: { idle_timeout: '0.3s' }, drain_timeout: '0.1s' };
  const idle = httpListener('idle', [route('/', 'a')], idleSoon);
  const clusters = [
    cluster('a', [upstream.port]),
    cluster('half-dead', [dead.port, upstream.port]),
    cluster('blackhole', [blackhole.port], { connect_timeout: '0.25s' }),
  ];
  proxy = await startProxy(bootstrap([httpListener('main', [], manager), idle], clusters));
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  blackhole?.close();
});
beforeEach(() => {
  upstream.requests.length = 0;
});

/** The upstream answers with these in turn, the last one again and again. A string is written as it is, then closed. */
function answers(...list: (number | 'close' | 'silence')[]): void {
  let at = 0;
  upstream.script = {
    respond: (_request, socket) => {
      const next = list[Math.min(at++, list.length - 1)];
      if (next === 'close') socket.destroy();
      else if (next !== 'silence') respond(socket, { status: next, body: `try ${at}` });
    },
  };
}

const attempts = (): (string | undefined)[] => upstream.requests.map((r) => r.get('x-envoy-attempt-count'));

test('a 5xx is tried again until it is none', async () => {
  answers(503, 500, 200);
  const response = await request(port, '/5xx');
  assert.equal(response.status, 200);
  assert.equal(response.text, 'try 3');
  assert.equal(response.get('x-envoy-attempt-count'), '3');
  assert.deepEqual(attempts(), ['1', '2', '3']);
});

test('the last answer is passed on when retries are used up', async () => {
  answers(503);
  const response = await request(port, '/5xx');
  assert.equal(response.status, 503);
  assert.equal(response.text, 'try 3');
  assert.equal(upstream.requests.length, 3);
});

test('the body is sent again', async () => {
  answers(503, 200);
  const body = 'x'.repeat(50_000);
  const response = await request(port, '/5xx', { method: 'POST', body });
  assert.equal(response.status, 200);
  assert.deepEqual(
    upstream.requests.map((r) => r.body.length),
    [50_000, 50_000],
  );
});

test('gateway-error takes 502, 503 and 504 and leaves 500', async () => {
  answers(500, 200);
  assert.equal((await request(port, '/gateway')).status, 500);
  answers(502, 504, 200);
  assert.equal((await request(port, '/gateway')).status, 200);
});

test('a reset is tried again, and names the last reason when it stays', async () => {
  answers('close', 200);
  assert.equal((await request(port, '/reset')).status, 200);
  answers('close');
  const response = await request(port, '/reset');
  assert.equal(response.status, 503);
  assert.equal(
    response.text,
    'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection termination',
  );
});

test('a failed connect is tried on another host', async () => {
  answers(200);
  for (let i = 0; i < 10; i++) assert.equal((await request(port, '/connect')).status, 200);
  assert.ok((await proxy.stat('cluster.half-dead.upstream_rq_retry')) >= 1);
  assert.ok((await proxy.stat('cluster.half-dead.upstream_cx_connect_fail')) >= 1);
});

test('retriable status codes', async () => {
  answers(429, 200);
  assert.equal((await request(port, '/codes')).status, 200);
  answers(503, 200);
  assert.equal((await request(port, '/codes')).status, 503);
});

test('nothing is tried again without a policy', async () => {
  answers('close', 200);
  assert.equal((await request(port, '/')).status, 503);
  assert.equal(upstream.requests.length, 1);
});

test('per_try_timeout leaves time for another try', async () => {
  answers('silence', 200);
  assert.equal((await request(port, '/per-try')).text, 'try 2');
  answers('silence');
  const response = await request(port, '/per-try');
  assert.equal(response.status, 504);
  assert.equal(response.text, 'upstream request timeout');
});

test('the route timeout gives 504 and cancels the request upstream', async () => {
  answers('silence');
  const started = performance.now();
  const response = await request(port, '/slow');
  const took = performance.now() - started;
  assert.equal(response.status, 504);
  assert.equal(response.text, 'upstream request timeout');
  assert.ok(took > 180 && took < 1500, `${took} ms`);
  const socket = upstream.connections[upstream.requests[0].connection];
  await waitFor('end upstream', () => socket.destroyed || socket.readableEnded);
  assert.ok((await proxy.stat('cluster.a.upstream_rq_timeout')) >= 1);
});

test('a route timeout inside the body cuts the answer', async () => {
  upstream.script = {
    respond: (_request, socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
  };
  const response = await request(port, '/slow');
  assert.equal(response.status, 200);
  assert.equal(response.complete, false);
});

test('a silent upstream gives 504 stream timeout', async () => {
  answers('silence');
  const response = await request(port, '/stream-idle');
  assert.equal(response.status, 504);
  assert.equal(response.text, 'stream timeout');
});

test('a silent client gives 408 stream timeout', async () => {
  const client = await RawClient.connect(port);
  client.send('POST /stream-idle HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf');
  const response = await client.response('POST');
  assert.equal(response.status, 408);
  assert.equal(response.text, 'stream timeout');
  assert.equal(response.get('connection'), 'close');
  client.destroy();
});

test('a request that does not end in time gives 408 request timeout', async () => {
  const client = await RawClient.connect(port);
  client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n');
  const drip = setInterval(() => client.send('x'), 50);
  const response = await client.response('POST');
  clearInterval(drip);
  assert.equal(response.status, 408);
  assert.equal(response.text, 'request timeout');
  client.destroy();
});

test('an idle connection is closed without a word', async () => {
  const client = await RawClient.connect(proxy.port('idle'));
  client.send(requestBytes('/'));
  answers(200);
  await client.response();
  assert.equal((await client.untilClosed(3000)).length, 0);
  assert.equal(client.error, undefined);
  client.destroy();
});

test('a connect without an answer gives 503 in its time', async () => {
  const started = performance.now();
  const response = await request(port, '/blackhole');
  assert.equal(response.status, 503);
  assert.match(response.text, /reset reason: connection timeout$/);
  const took = performance.now() - started;
  assert.ok(took > 200 && took < 2000, `${took} ms`);
  assert.ok((await proxy.stat('cluster.blackhole.upstream_cx_connect_timeout')) >= 1);
});

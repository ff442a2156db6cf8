/** SIGTERM drains: what was accepted is answered, what is new is refused, a second signal stops at once. Envoy has none of this. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { isEnvoy, startProxy } from '../support/proxy.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

const skip = isEnvoy && 'Envoy ends at once';

async function setUp(t: TestContext, args: string[] = []) {
  const upstream = await startUpstream();
  const config = bootstrap([httpListener('main', [route('/', 'a')])], [cluster('a', [upstream.port])]);
  const proxy = await startProxy(config, { args, concurrency: 2 });
  t.after(async () => {
    await proxy.stop();
    await upstream.close();
  });
  return { upstream, proxy, port: proxy.port('main') };
}

test('a request in flight is answered, then the process ends with 0', { skip }, async (t) => {
  const { upstream, proxy, port } = await setUp(t);
  let answer = (): void => {};
  upstream.script = {
    respond: (_request, socket) => {
      answer = () => respond(socket, { body: 'in time' });
    },
  };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/slow'));
  await waitFor('request upstream', () => upstream.requests.length === 1);
  proxy.signal('SIGTERM');
  await waitFor('refused connection', () =>
    RawClient.connect(port).then(
      (late) => late.destroy(),
      () => true,
    ),
  );
  // Answers tell clients to come back when the listening sockets of all workers are closed, not before.
  await delay(100);
  answer();
  const response = await client.response();
  assert.equal(response.text, 'in time');
  assert.equal(response.get('connection'), 'close');
  client.end();
  assert.deepEqual(await proxy.exited, { code: 0, signal: null });
});

test('idle connections do not hold the process up', { skip }, async (t) => {
  const { proxy, port } = await setUp(t);
  const client = await RawClient.connect(port);
  client.send(requestBytes('/'));
  await client.response();
  proxy.signal('SIGTERM');
  assert.equal((await client.untilClosed(5000)).length, 0);
  client.end();
  assert.equal((await proxy.exited).code, 0);
});

test('a second signal stops at once', { skip }, async (t) => {
  const { upstream, proxy, port } = await setUp(t);
  upstream.script = { onHead: () => true };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/never'));
  await waitFor('request upstream', () => upstream.requests.length === 1);
  proxy.signal('SIGTERM');
  await waitFor('refused connection', () =>
    RawClient.connect(port).then(
      (late) => late.destroy(),
      () => true,
    ),
  );
  const started = performance.now();
  proxy.signal('SIGTERM');
  await proxy.exited;
  assert.ok(performance.now() - started < 2000);
  client.destroy();
});

test('a request without an end is cut when the drain time is over', { skip }, async (t) => {
  const { upstream, proxy, port } = await setUp(t, ['--drain-time-s', '1']);
  upstream.script = { onHead: () => true };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/never'));
  await waitFor('request upstream', () => upstream.requests.length === 1);
  proxy.signal('SIGTERM');
  const started = performance.now();
  await proxy.exited;
  assert.ok(performance.now() - started < 5000);
  client.destroy();
});

interface Load {
  answered: number;
  /** Paths of requests that got no answer. */
  unanswered: string[];
}

/** Sends requests one after another, on a new connection when one is closed, until none is accepted any more. */
async function hammer(port: number, name: number, load: Load): Promise<void> {
  for (let i = 0; ; ) {
    const client = await RawClient.connect(port).catch(() => undefined);
    if (client === undefined) return;
    for (;;) {
      const path = `/load/${name}/${i++}`;
      client.send(requestBytes(path));
      const response = await client.response().catch(() => undefined);
      if (response === undefined) load.unanswered.push(path);
      else load.answered++;
      if (response?.get('connection') !== undefined || response === undefined) break;
    }
    client.destroy();
  }
}

test('under load no accepted request is lost', { skip }, async (t) => {
  for (let round = 0; round < 3; round++) {
    const { upstream, proxy, port } = await setUp(t);
    upstream.script = {
      respond: (_request, socket) => void setTimeout(() => respond(socket, { body: 'x' }), Math.random() * 20),
    };
    const load: Load = { answered: 0, unanswered: [] };
    const clients = Array.from({ length: 20 }, (_, name) => hammer(port, name, load));
    await waitFor('load', () => load.answered > 100);
    await delay(Math.random() * 50);
    proxy.signal('SIGTERM');
    await Promise.all(clients);
    assert.equal((await proxy.exited).code, 0);
    // A request that crosses the close of an idle connection was never accepted; one that went upstream was.
    const accepted = new Set(upstream.requests.map((request) => request.path));
    assert.deepEqual(
      load.unanswered.filter((path) => accepted.has(path)),
      [],
    );
    assert.equal(load.answered, accepted.size);
  }
});

/** SIGHUP and --watch: the difference of the file is applied while requests go on, and a bad file changes nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { reloadSoak } from '../support/reload_soak.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let upstream: Upstream;
before(async () => {
  upstream = await startUpstream();
});
after(() => upstream?.close());

function direct(body: string, more: Json = {}): Json {
  return { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } }, ...more };
}

async function start(t: TestContext, config: Json, options: ProxyOptions = {}): Promise<RunningProxy> {
  const proxy = await startProxy(config, { logLevel: 'info', ...options });
  t.after(() => proxy.stop());
  return proxy;
}

function write(proxy: RunningProxy, config: Json | string): void {
  const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2);
  writeFileSync(path.join(proxy.dir, 'bootstrap.yaml'), text);
}

/** Waits for a line of this pattern that was not there before. */
async function reload(proxy: RunningProxy, line: RegExp): Promise<void> {
  const count = () => [...`${proxy.stderr()}${proxy.stdout()}`.matchAll(new RegExp(line, 'g'))].length;
  const earlier = count();
  proxy.signal('SIGHUP');
  await waitFor(String(line), () => count() > earlier);
}

const reloaded = /configuration reloaded: .*/;
const refused = /reload refused: \d+ errors? in the configuration; the former one keeps serving/;

async function portOf(proxy: RunningProxy, name: string): Promise<number | undefined> {
  const { listener_statuses: all = [] } = JSON.parse((await proxy.admin('/listeners?format=json')).text);
  return all.find((each: { name: string }) => each.name === name)?.local_address.socket_address.port_value;
}

test('routes, clusters and listeners are added, changed and removed', async (t) => {
  const proxy = await start(t, bootstrap([httpListener('main', [direct('one')])], []));
  const port = proxy.port('main');
  const kept = await RawClient.connect(port);
  kept.send(requestBytes('/'));
  assert.equal((await kept.response()).text, 'one');

  const routes = [route('/up', 'backend'), direct('two')];
  write(
    proxy,
    bootstrap(
      [httpListener('main', routes), httpListener('second', [direct('other')])],
      [cluster('backend', [upstream.port])],
    ),
  );
  await reload(proxy, /configuration reloaded: clusters: added backend; listeners: added second; changed main/);
  assert.equal(await portOf(proxy, 'main'), port);
  assert.equal((await request(port, '/')).text, 'two');
  assert.equal((await request(port, '/up')).text, 'GET /up\n');
  assert.equal((await request((await portOf(proxy, 'second'))!, '/')).text, 'other');
  assert.ok(!kept.closed);
  kept.send(requestBytes('/'));
  assert.equal((await kept.response()).status, 200);
  kept.destroy();

  write(proxy, bootstrap([httpListener('main', [direct('three')])], []));
  await reload(proxy, /configuration reloaded: clusters: removed backend; listeners: changed main; removed second/);
  const third = await request(port, '/up');
  assert.equal(third.text, 'three', JSON.stringify(third));
  assert.equal(await portOf(proxy, 'second'), undefined);
  assert.ok(!(await proxy.admin('/clusters')).text.includes('backend'));
  await reload(proxy, /configuration reloaded: no cluster and no listener has changed/);
});

test('a file with errors is refused with all of them, each with its place', async (t) => {
  const good = bootstrap([httpListener('main', [direct('good')])], []);
  const proxy = await start(t, good);
  write(
    proxy,
    bootstrap(
      [httpListener('main', [route('/', 'nobody'), { match: { perfix: '/' } }])],
      [{ ...cluster('a', [1]), lb_policy: 'BEST' }],
    ),
  );
  await reload(proxy, refused);
  const text = proxy.stderr();
  assert.match(text, /bootstrap\.yaml:\d+:\d+: error: unknown field 'perfix'/);
  assert.match(text, /bootstrap\.yaml:\d+:\d+: error: unknown value 'BEST'/);
  assert.match(text, /error: route: unknown cluster 'nobody'/);
  assert.equal((await request(proxy.port('main'), '/')).text, 'good');
  write(proxy, 'static_resources: [');
  await reload(proxy, refused);
  rmSync(path.join(proxy.dir, 'bootstrap.yaml'));
  await reload(proxy, refused);
  assert.equal((await request(proxy.port('main'), '/')).text, 'good');
  write(proxy, good);
  await reload(proxy, reloaded);
});

test('a taken port refuses the whole file', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  const proxy = await start(t, bootstrap([httpListener('main', [direct('old')])], []));
  const other = { ...httpListener('other', [direct('x')]), address: loopback(port) };
  write(proxy, bootstrap([httpListener('main', [direct('new')]), other], []));
  await reload(proxy, refused);
  assert.match(proxy.stderr(), new RegExp(`error: cannot bind '127\\.0\\.0\\.1:${port}': Address already in use`));
  assert.equal((await request(proxy.port('main'), '/')).text, 'old');
});

test('what takes a restart is named, the rest is applied; the runtime is taken up', async (t) => {
  const runtime = (text: string) => ({
    layered_runtime: {
      layers: [
        { name: 'file', static_layer: { key: text } },
        { name: 'admin', admin_layer: {} },
      ],
    },
  });
  const proxy = await start(
    t,
    bootstrap([httpListener('main', [direct('one')])], [], { node: { id: 'a', cluster: 'c' }, ...runtime('before') }),
  );
  await proxy.admin('/runtime_modify?kept=yes', 'POST');
  write(proxy, {
    ...bootstrap([httpListener('main', [direct('two')])], [], { node: { id: 'b', cluster: 'c' }, ...runtime('after') }),
    admin: { address: loopback(1) },
  });
  await reload(proxy, reloaded);
  assert.match(
    proxy.stderr(),
    /bootstrap\.yaml:\d+:\d+: warning: 'admin' has changed: that takes a restart, the former stays in use/,
  );
  assert.match(proxy.stderr(), /warning: 'node' has changed/);
  assert.ok(!/'static_resources' has changed|'layered_runtime' has changed/.test(proxy.stderr()));
  assert.equal((await request(proxy.port('main'), '/')).text, 'two');
  const { entries } = JSON.parse((await proxy.admin('/runtime')).text);
  assert.deepEqual([entries.key.final_value, entries.kept.final_value], ['after', 'yes']);
});

test('a listener may take another name on the same port', async (t) => {
  const proxy = await start(t, bootstrap([httpListener('one', [direct('one')])], []));
  const port = proxy.port('one');
  const fixed = (name: string) => ({ ...httpListener(name, [direct(name)]), address: loopback(port) });
  write(proxy, bootstrap([fixed('one')], []));
  await reload(proxy, reloaded);
  write(proxy, bootstrap([fixed('two')], []));
  await reload(proxy, /configuration reloaded: listeners: added two; removed one/);
  await waitFor('the other name', () =>
    request(port, '/').then(
      ({ text }) => text === 'two',
      () => false,
    ),
  );
});

test('--watch: a file that is written, moved or behind a swapped link', async (t) => {
  const config = (body: string) => bootstrap([httpListener('main', [direct(body)])], []);
  const proxy = await start(t, config('0'), { args: ['--watch'] });
  const answers = (body: string) => waitFor(body, async () => (await request(proxy.port('main'), '/')).text === body);
  write(proxy, config('written'));
  await answers('written');
  const file = path.join(proxy.dir, 'bootstrap.yaml');
  writeFileSync(`${file}.new`, JSON.stringify(config('moved')));
  renameSync(`${file}.new`, file);
  await answers('moved');
  // As a Kubernetes ConfigMap: the file is a link into a folder that is a link itself.
  for (const [i, body] of ['linked', 'swapped'].entries()) {
    const folder = path.join(proxy.dir, `data-${i}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'bootstrap.yaml'), JSON.stringify(config(body)));
    symlinkSync(folder, path.join(proxy.dir, 'data.new'));
    renameSync(path.join(proxy.dir, 'data.new'), path.join(proxy.dir, 'data'));
    if (i === 0) {
      symlinkSync('data/bootstrap.yaml', `${file}.new`);
      renameSync(`${file}.new`, file);
    }
    await answers(body);
  }
  write(proxy, '{');
  await waitFor('refusal', () => refused.test(proxy.stderr() + proxy.stdout()));
  assert.equal((await request(proxy.port('main'), '/')).text, 'swapped');
});

test('no request fails while the configuration is reloaded again and again', async () => {
  const { failures, requests } = await reloadSoak(1500, 6);
  assert.deepEqual([...failures], []);
  assert.ok(requests >= 1500);
});

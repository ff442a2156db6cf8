/** What a user of a control plane notices of ECDS: filters whose configuration comes, changes and is missing, over ADS through real workers. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { httpListener, type Json, listener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const fault = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const mutation = 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';
const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const directResponse = 'type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config';
const echo = 'type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo';

function discovered(name: string, type_urls: readonly string[], more: Json = {}, timeout = '15s'): Json {
  const config_source = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: timeout };
  return { name, config_discovery: { config_source, type_urls, ...more } };
}

function extension(name: string, type: string, config: Json = {}): Json {
  return { name, typed_config: { '@type': type, ...config } };
}

const abort = (status: number): Json => ({ abort: { http_status: status, percentage: { numerator: 100 } } });
const adds = (value: string): Json => ({
  mutations: { response_mutations: [{ append: { header: { key: 'x-added', value } } }] },
});

function filtered(name: string, filter: Json): Json {
  const ok = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } };
  const http_filters = [filter, extension('envoy.filters.http.router', router)];
  return JSON.parse(JSON.stringify(httpListener(name, [ok], { http_filters }))) as Json;
}

async function start(listeners: readonly Json[], extensions: readonly Json[]) {
  const server = new ResourceServer();
  await server.start();
  server.set(types.cluster, []);
  server.set(types.listener, listeners);
  server.set(types.extensionConfig, extensions);
  const proxy = await startProxy(adsBootstrap(server.port), { concurrency: 2 });
  running.push(
    () => server.stop(),
    () => proxy.stop(),
  );
  return { server, proxy };
}

const status = async (proxy: RunningProxy, name: string) => (await request(proxy.port(name), '/')).status;

test('an HTTP filter runs as the control plane configures it, at each new request', async () => {
  const { server, proxy } = await start(
    [filtered('l', discovered('f', [fault, mutation])), filtered('m', discovered('f', [fault, mutation]))],
    [extension('f', fault, abort(418))],
  );
  assert.equal(await status(proxy, 'l'), 418);
  assert.equal(await status(proxy, 'm'), 418);
  const client = await RawClient.connect(proxy.port('l'));
  const ask = () => {
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    return client.response();
  };
  assert.equal((await ask()).status, 418);

  server.set(types.extensionConfig, [extension('f', mutation, adds('one'))]);
  await waitFor('the other filter', async () => (await request(proxy.port('m'), '/')).get('x-added') === 'one');
  await waitFor('the other filter on an old connection', async () => (await ask()).get('x-added') === 'one');
  client.destroy();

  server.set(types.extensionConfig, [extension('f', router)]);
  await waitFor('the refusal', () => server.refused.length > 0);
  assert.match(
    server.refused[0],
    /filter config has type URL .*router.v3.Router but expect .*HTTPFault, .*HeaderMutation\./,
  );
  const invalid = { mutations: { response_mutations: [{ append: { header: { key: ':status', value: '1' } } }] } };
  server.set(types.extensionConfig, [extension('f', mutation, invalid)]);
  await waitFor('the second refusal', () => server.refused.length > 1);
  assert.match(server.refused[1], /header\.key: :-prefixed or host headers may not be modified/);
  assert.equal((await request(proxy.port('m'), '/')).get('x-added'), 'one');

  const prefix = 'extension_config_discovery.http_filter.f.';
  assert.equal(await proxy.stat(`${prefix}config_reload`), 2);
  assert.equal(await proxy.stat(`${prefix}config_fail`), 2);
  assert.equal(await proxy.stat(`${prefix}update_rejected`), 2);
  const dump = JSON.parse((await proxy.admin('/config_dump')).text) as { configs: Json[] };
  const section = dump.configs.find((config) => String(config['@type']).endsWith('.EcdsConfigDump'));
  const [entry] = section!['ecds_filters'] as Json[];
  assert.equal(entry['version_info'], '2');
  assert.equal((entry['ecds_filter'] as Json)['name'], 'f');
});

test('a default runs until there is more; without one no request passes', async () => {
  const withDefault = { default_config: { '@type': mutation, ...adds('default') } };
  const { server, proxy } = await start(
    [
      filtered('at-once', discovered('f', [mutation], { ...withDefault, apply_default_config_without_warming: true })),
      filtered('late', discovered('g', [mutation], withDefault, '0.3s')),
      filtered('none', discovered('h', [mutation], {}, '0.3s')),
    ],
    [],
  );
  assert.equal((await request(proxy.port('at-once'), '/')).get('x-added'), 'default');
  assert.equal((await request(proxy.port('late'), '/')).get('x-added'), 'default');
  const missing = await request(proxy.port('none'), '/');
  assert.deepEqual([missing.status, missing.text], [500, '']);
  assert.equal(await proxy.stat('extension_config_discovery.http_filter.h.init_fetch_timeout'), 1);
  const all = ['f', 'g', 'h'].map((name) => extension(name, mutation, adds('sent')));
  server.set(types.extensionConfig, all);
  for (const name of ['at-once', 'late', 'none']) {
    await waitFor(name, async () => (await request(proxy.port(name), '/')).get('x-added') === 'sent');
  }
});

test('a listener waits for the configuration of its filters', async () => {
  const { server, proxy } = await start([filtered('first', extension('m', mutation))], []);
  server.set(types.listener, [filtered('first', discovered('f', [fault]))]);
  await waitFor('warming', async () => (await proxy.stat('listener_manager.total_listeners_warming')) === 1);
  assert.equal(await status(proxy, 'first'), 200);
  server.set(types.extensionConfig, [extension('f', fault, abort(503))]);
  await waitFor('the new listener', async () => (await status(proxy, 'first')) === 503);
  server.set(types.listener, [filtered('first', extension('m', mutation))]);
  await waitFor('the old filter', async () => (await status(proxy, 'first')) === 200);
});

test('network filters are discovered too, the last of a chain among them', async () => {
  const last = discovered('n', [echo, directResponse], {}, '0.3s');
  const { server, proxy } = await start([JSON.parse(JSON.stringify(listener('tcp', last))) as Json], []);
  const ends = async (): Promise<boolean> => {
    const client = await RawClient.connect(proxy.port('tcp'));
    const closed = await client.closes(2000);
    client.destroy();
    return closed;
  };
  const greeting = async (): Promise<string> => {
    const client = await RawClient.connect(proxy.port('tcp'));
    const bytes = await client.bytes(5).catch(() => '');
    client.destroy();
    return bytes.toString();
  };
  assert.ok(await ends());
  assert.ok((await proxy.stat('listener.127.0.0.1_0.network_extension_config_missing')) > 0);
  server.set(types.extensionConfig, [extension('n', directResponse, { response: { inline_string: 'hello' } })]);
  await waitFor('the direct response', async () => (await greeting()) === 'hello');
});

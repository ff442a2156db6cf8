/** What a user of the runtime notices: layers on disk that are swapped, layers of a control plane, and which goes over which, through real workers. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { bootstrap, httpListener, type Json } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

/** `on` for the share of requests that the runtime names, else `off`. */
const listeners = [
  httpListener('main', [
    {
      match: { prefix: '/', runtime_fraction: { runtime_key: 'feature.on', default_value: { numerator: 0 } } },
      direct_response: { status: 200, body: { inline_string: 'on' } },
    },
    { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'off' } } },
  ]),
];

const body = async (proxy: RunningProxy) => (await request(proxy.port('main'), '/')).text;

interface RuntimePage {
  readonly layers: readonly string[];
  readonly entries: {
    readonly [key: string]: { readonly layer_values: readonly string[]; readonly final_value: string };
  };
}

const page = async (proxy: RunningProxy) => JSON.parse((await proxy.admin('/runtime')).text) as RuntimePage;

/** A folder of files by key, with dots for folders. */
function makeFolder(root: string, name: string, files: { readonly [file: string]: string }): string {
  const folder = path.join(root, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

function swapLink(link: string, target: string): void {
  symlinkSync(target, `${link}.new`);
  renameSync(`${link}.new`, link);
}

test('layers on disk follow their link', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'nuncio-runtime-'));
  running.push(() => rmSync(root, { recursive: true }));
  const link = path.join(root, 'current');
  const first = makeFolder(root, 'v1', {
    'app/feature/on': '# a comment\n100\n',
    'app/text': 'words\n',
    'app/empty': '# nothing but this\n',
    'override/mine/text': 'others',
  });
  swapLink(link, first);
  const disk = (name: string, more: Json): Json => ({ name, disk_layer: { symlink_root: link, ...more } });
  const layers = [
    { name: 'base', static_layer: { feature: { on: 0 }, text: 'base' } },
    disk('disk', { subdirectory: 'app' }),
    disk('mine', { subdirectory: 'override', append_service_cluster: true }),
    disk('absent', { subdirectory: 'absent' }),
    { name: 'admin', admin_layer: {} },
  ];
  const node = { id: 'i', cluster: 'mine' };
  const proxy = await startProxy(bootstrap(listeners, [], { layered_runtime: { layers }, node }), { concurrency: 2 });
  running.push(() => proxy.stop());
  assert.equal(await body(proxy), 'on');
  const before = await page(proxy);
  assert.deepEqual(before.layers, ['base', 'disk', 'mine', 'admin']);
  assert.deepEqual(before.entries['text'], { layer_values: ['base', 'words', 'others', ''], final_value: 'others' });
  assert.deepEqual(before.entries['empty']?.final_value, '');
  assert.equal(await proxy.stat('runtime.num_layers'), 4);
  assert.equal(await proxy.stat('runtime.override_dir_exists'), 2);

  swapLink(link, makeFolder(root, 'v2', { 'app/feature/on': '0', 'app/new': '1' }));
  await waitFor('the other folder', async () => (await body(proxy)) === 'off');
  const swapped = await page(proxy);
  assert.deepEqual(swapped.layers, ['base', 'disk', 'admin']);
  assert.equal(swapped.entries['text'].final_value, 'base');
  assert.equal(swapped.entries['new'].final_value, '1');
  // As in Envoy each layer on disk sees the swap for itself: two loads at the start, three by it.
  assert.equal(await proxy.stat('runtime.load_success'), 5);
  assert.equal(await proxy.stat('runtime.load_error'), 0);

  await proxy.admin('/runtime_modify?feature.on=100', 'POST');
  await waitFor('the admin layer', async () => (await body(proxy)) === 'on');
  swapLink(link, makeFolder(root, 'v3', { 'app/feature/on': '0' }));
  await waitFor('the third folder', async () => (await page(proxy)).entries['new'] === undefined);
  assert.equal(await body(proxy), 'on');
  await proxy.admin('/runtime_modify?feature.on=', 'POST');
  await waitFor('the layer below', async () => (await body(proxy)) === 'off');
});

test('a control plane sends layers', async () => {
  const server = new ResourceServer();
  await server.start();
  server.set(types.runtime, [
    { name: 'one', layer: { feature: { on: 100 }, a: 1 } },
    { name: 'two', layer: { a: 2 } },
  ]);
  const rtds = (name: string): Json => ({
    name: `layer-${name}`,
    rtds_layer: { name, rtds_config: { ads: {}, resource_api_version: 'V3' } },
  });
  const layers = [rtds('one'), rtds('two'), { name: 'admin', admin_layer: {} }];
  const config = adsBootstrap(server.port, { cds_config: undefined, lds_config: undefined });
  (config['static_resources'] as Json)['listeners'] = listeners;
  const proxy = await startProxy(JSON.parse(JSON.stringify({ ...config, layered_runtime: { layers } })) as Json, {
    concurrency: 2,
  });
  running.push(
    () => server.stop(),
    () => proxy.stop(),
  );
  // It is there before the first request.
  assert.equal(await body(proxy), 'on');
  const first = await page(proxy);
  assert.deepEqual(first.layers, ['layer-one', 'layer-two', 'admin']);
  assert.deepEqual(first.entries['a'], { layer_values: ['1', '2', ''], final_value: '2' });

  server.set(types.runtime, [
    { name: 'one', layer: { feature: { on: 0 } } },
    { name: 'two', layer: { a: 3 } },
  ]);
  await waitFor('the next layer', async () => (await body(proxy)) === 'off');
  assert.deepEqual((await page(proxy)).entries['a'], { layer_values: ['', '3', ''], final_value: '3' });
  assert.deepEqual(server.refused, []);
  assert.ok((await proxy.stat('runtime.update_success')) >= 4);
  assert.equal(await proxy.stat('runtime.num_keys'), 2);
});

import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { waitFor } from '../../../test/support/wait_for.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { type AnyMessage, messageType } from '../../api/registry.ts';
import { ipAddress } from '../../common/address.ts';
import { CLUSTER } from '../../common/stats/layouts.ts';
import { ThreadStats } from '../../common/stats/store.ts';
import type { DecodedResource, SubscriptionCallbacks } from '../../xds/subscription.ts';
import { XdsSubscriptions } from '../../xds/subscription_factory.ts';
import { ResourceFolder } from './folder.ts';
import { ManagementServer } from './management_server.ts';
import { ResourceStore } from './resource_store.ts';

const clusterType = 'envoy.config.cluster.v3.Cluster';
const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

/** A client over our own transports; `seen` is what holds after each update. */
function client(port: number, delta: boolean) {
  const stats = new ThreadStats(() => {});
  const json = {
    api_type: delta ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
  };
  const ads = fromJson(messageType('envoy.config.core.v3.ApiConfigSource'), json) as unknown;
  const source = fromJson(messageType('envoy.config.core.v3.ConfigSource'), { ads: {} }) as unknown;
  const xds = new XdsSubscriptions({
    planes: {
      nextHost: () => ({
        address: ipAddress('127.0.0.1', port),
        tls: undefined,
        connectTimeout: 1000,
        stats: stats.block(CLUSTER, 'cluster.xds.'),
      }),
    },
    stats,
    node: fromJson(messageType('envoy.config.core.v3.Node'), { id: 'n', cluster: 'c' }) as never,
    ads: ads as envoy.config.core.v3.ApiConfigSource,
    random: () => 0,
    onVersion: () => {},
    onIdentifier: () => {},
    readLegacy: () => [],
  });
  running.push(() => xds.stop());
  const held = new Set<string>();
  const seen: string[] = [];
  const note = () => void seen.push([...held].sort().join());
  const callbacks: SubscriptionCallbacks = {
    onConfigUpdate(resources: readonly DecodedResource[]) {
      held.clear();
      for (const { name } of resources) held.add(name);
      note();
      return [];
    },
    onDeltaUpdate(added: readonly DecodedResource[], removed: readonly string[]) {
      for (const { name } of added) held.add(name);
      for (const name of removed) held.delete(name);
      note();
      return [];
    },
    onConfigUpdateFailed() {},
  };
  const config = source as envoy.config.core.v3.ConfigSource;
  const watch = xds.subscribe(config, clusterType, 'cluster_manager.cds.', callbacks);
  running.push(() => watch.stop());
  return { watch, seen };
}

function clusters(...names: string[]): Map<string, AnyMessage> {
  const read = (name: string) => fromJson(messageType(clusterType), { name }) as unknown as AnyMessage;
  return new Map(names.map((name) => [name, read(name)]));
}

for (const delta of [false, true]) {
  test(`serves a store and its changes, ${delta ? 'delta' : 'state of the world'}`, async () => {
    const store = new ResourceStore();
    store.set(clusterType, clusters('a'));
    const server = new ManagementServer(store);
    await server.listen('127.0.0.1', 0);
    running.push(() => server.close());
    const { watch, seen } = client(server.port, delta);
    watch.start(undefined);
    await waitFor('the first answer', () => seen.at(-1) === 'a');
    store.set(clusterType, clusters('a', 'b'));
    await waitFor('the second cluster', () => seen.at(-1) === 'a,b');
    store.set(clusterType, clusters('a', 'b'));
    store.set(clusterType, clusters('b'));
    await waitFor('the removal', () => seen.at(-1) === 'b');
    assert.deepEqual(seen, ['a', 'a,b', 'b'], 'what did not change is not sent again');
  });

  test(`a client that names what it wants gets that alone, ${delta ? 'delta' : 'state of the world'}`, async () => {
    const store = new ResourceStore();
    store.set(clusterType, clusters('a', 'b', 'c'));
    const server = new ManagementServer(store);
    await server.listen('127.0.0.1', 0);
    running.push(() => server.close());
    const { watch, seen } = client(server.port, delta);
    watch.start(new Set(['b']));
    await waitFor('the first answer', () => seen.at(-1) === 'b');
    watch.updateNames(new Set(['b', 'c']));
    await waitFor('the other one', () => seen.at(-1) === 'b,c');
  });
}

test('a folder is served, its changes followed, and a file that cannot be read changes nothing', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'nuncio-folder-'));
  running.push(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => {
    writeFileSync(path.join(folder, `.${name}`), text);
    renameSync(path.join(folder, `.${name}`), path.join(folder, name));
  };
  const resources = (...names: string[]) =>
    `resources:\n${names.map((name) => `- "@type": type.googleapis.com/${clusterType}\n  name: ${name}\n`).join('')}`;
  write('one.yaml', resources('a'));
  const store = new ResourceStore();
  const served = new ResourceFolder(folder, store);
  assert.equal(served.read(), true);
  served.watch();
  running.push(() => served.close());
  const names = () => [...store.resources(clusterType).keys()].join();
  assert.equal(names(), 'a');
  write('two.yaml', resources('b', 'c'));
  await waitFor('the second file', () => names() === 'a,b,c');
  write('two.yaml', 'resources: [{');
  assert.equal(served.read(), false);
  assert.equal(names(), 'a,b,c');
  rmSync(path.join(folder, 'two.yaml'));
  await waitFor('the second file to go', () => names() === 'a');
});

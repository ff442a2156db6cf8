/** A cluster on real sockets: which connections stay when hosts change, which are opened ahead, how long they live. */
import assert from 'node:assert/strict';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { messageType } from '../api/registry.ts';
import { Slices } from '../common/slices.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { HealthFlag, HostWord, hostBase, makeWords } from '../snapshot/layout.ts';
import { Cluster } from './cluster.ts';
import type { ConnectionPool } from './connection_pool.ts';
import type { HostOptions } from './host.ts';

const words = new Int32Array(makeWords());
const store = new ThreadStats(() => {});
const sockets: Socket[] = [];
const server = net.createServer((socket) => {
  sockets.push(socket);
  socket.on('error', () => {});
});
let port: number;
let lastSlot = 0;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

function clusterOf(more: object = {}): Cluster {
  const json = { name: `c${++lastSlot}`, connectTimeout: '1s', ...more };
  const message = fromJson(messageType('envoy.config.cluster.v3.Cluster'), json as never);
  return new Cluster(message as never, lastSlot, { words, ledger: new Int32Array(words.length) }, store);
}

function host(cluster: Cluster, more: Partial<HostOptions> = {}): HostOptions {
  const address = { ip: '127.0.0.1', port, text: `127.0.0.1:${port}` };
  return { clusterName: cluster.name, address, hostname: '', weight: 1, priority: 0, slot: lastSlot, ...more };
}

const nobody = {
  onPoolReady() {},
  onPoolFailure() {},
  onInformational() {},
  onResponseHeaders() {},
  onResponseData() {},
  onResponseTrailers() {},
  onStreamReset() {},
  onStreamBlocked() {},
  onStreamWritable() {},
};

/** Asks a pool for a stream and resolves when it has one. */
function stream(pool: ConnectionPool): Promise<{ cancel(): void; connectionId: number }> {
  return new Promise((resolve, reject) => {
    pool.newStream({ ...nobody, onPoolReady: resolve, onPoolFailure: (reason) => reject(new Error(reason)) });
  });
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 3000;
  while (!holds()) {
    assert.ok(Date.now() < end, 'did not come about in 3 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const active = (cluster: Cluster): number => cluster.stats[CLUSTER.slot.upstream_cx_active];

test('weight and health of a host change in place, one that goes drains', async () => {
  const cluster = clusterOf();
  cluster.updateHosts([host(cluster)]);
  const chosen = cluster.chooseHost()!;
  const pool = cluster.poolOf(chosen);
  const busy = await stream(pool);
  cluster.updateHosts([host(cluster, { weight: 5 })]);
  assert.equal(cluster.chooseHost(), chosen);
  assert.equal(cluster.poolOf(chosen), pool);
  words[hostBase(lastSlot) + HostWord.Health] = HealthFlag.FailedEdsHealth;
  cluster.refreshHealth();
  cluster.chooseHost();
  assert.equal(cluster.stats[CLUSTER.slot.lb_healthy_panic], 1);
  cluster.updateHosts([]);
  assert.equal(cluster.chooseHost(), undefined);
  assert.equal(active(cluster), 1);
  busy.cancel();
  await until(() => active(cluster) === 0);
});

test('a host of LOGICAL_DNS moves: connections stay, new ones go to the new address', async () => {
  const cluster = clusterOf({ type: 'LOGICAL_DNS' });
  cluster.updateHosts([host(cluster, { hostname: 'name' })]);
  const first = await stream(cluster.poolOf(cluster.chooseHost()!));
  const address = { ip: '127.0.0.2', port: 1, text: '127.0.0.2:1' };
  cluster.updateHosts([host(cluster, { hostname: 'name', address })]);
  const moved = cluster.chooseHost()!;
  assert.equal(moved.address, '127.0.0.2:1');
  assert.equal(active(cluster), 1);
  await assert.rejects(stream(cluster.poolOf(moved)), /remote connection failure/);
  assert.equal(active(cluster), 1);
  first.cancel();
  await until(() => active(cluster) === 0);
});

test('close_connections_on_host_set_change ends the connections of hosts that stay', async () => {
  const cluster = clusterOf({ commonLbConfig: { closeConnectionsOnHostSetChange: true } });
  cluster.updateHosts([host(cluster)]);
  const pool = cluster.poolOf(cluster.chooseHost()!);
  (await stream(pool)).cancel();
  const other = { ip: '127.0.0.2', port, text: `127.0.0.2:${port}` };
  cluster.updateHosts([host(cluster), host(cluster, { address: other, slot: ++lastSlot })]);
  await until(() => active(cluster) === 0);
  assert.ok(pool.isEmpty);
});

test('connections ahead of need by the preconnect ratio, idle ones end', async () => {
  const cluster = clusterOf({
    preconnectPolicy: { perUpstreamPreconnectRatio: 1.5 },
    commonHttpProtocolOptions: { idleTimeout: '0.05s' },
  });
  cluster.updateHosts([host(cluster)]);
  const pool = cluster.poolOf(cluster.chooseHost()!);
  const busy = await stream(pool);
  assert.equal(cluster.stats[CLUSTER.slot.upstream_cx_total], 2);
  await until(() => cluster.stats[CLUSTER.slot.upstream_cx_idle_timeout] === 1);
  busy.cancel();
});

test('connections at the hosts that come next, by the predictive ratio', async () => {
  const cluster = clusterOf({ preconnectPolicy: { predictivePreconnectRatio: 2 } });
  const other = { ip: '127.0.0.2', port, text: `127.0.0.2:${port}` };
  cluster.updateHosts([host(cluster), host(cluster, { address: other, slot: ++lastSlot })]);
  const first = cluster.chooseHost()!;
  const busy = await stream(cluster.poolOf(first));
  assert.equal(cluster.stats[CLUSTER.slot.upstream_cx_total], 2);
  const next = cluster.chooseHost()!;
  assert.notEqual(next, first);
  assert.equal([...next.allPools()].length, 1);
  busy.cancel();
});

test('priorities have connections of their own', async () => {
  const cluster = clusterOf({
    circuitBreakers: { thresholds: [{ maxPendingRequests: 0 }, { priority: 'HIGH', maxConnectionPools: 1 }] },
  });
  cluster.updateHosts([host(cluster)]);
  const chosen = cluster.chooseHost(0, 1)!;
  await assert.rejects(stream(cluster.poolOf(chosen)), /overflow/);
  const high = await stream(cluster.poolOf(chosen, 1));
  const other = { ip: '127.0.0.2', port, text: `127.0.0.2:${port}` };
  cluster.updateHosts([host(cluster, { address: other, slot: ++lastSlot })]);
  assert.equal(cluster.chooseHost(0, 1), undefined);
  assert.equal(cluster.stats[CLUSTER.slot.upstream_cx_pool_overflow], 1);
  high.cancel();
  await until(() => cluster.chooseHost(0, 1) !== undefined);
});

test('a new version of a cluster begins with the hosts of the former one', async () => {
  const former = clusterOf();
  former.updateHosts([host(former)]);
  const next = clusterOf();
  await next.adoptHosts(former, new Slices(2));
  assert.equal(next.chooseHost()?.address, `127.0.0.1:${port}`);
});

/** Snapshots: a generation holds what changed, hosts keep their words, and freed words are used again only when nobody reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { HealthFlag, HostWord, hostBase, makeWords, resourceType } from './layout.ts';
import { SnapshotPublisher } from './publisher.ts';
import { readResource } from './reader.ts';

function endpoints(...ports: number[]): envoy.config.endpoint.v3.ClusterLoadAssignment {
  const lbEndpoints = ports.map((port) => ({
    endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
    loadBalancingWeight: port,
  }));
  const json: JsonValue = { clusterName: 'a', endpoints: [{ lbEndpoints }] };
  return fromJson(messageType(resourceType.endpoints), json) as never;
}

function cluster(name: string, connectTimeout = '1s'): envoy.config.cluster.v3.Cluster {
  return fromJson(messageType(resourceType.cluster), { name, connectTimeout }) as never;
}

function publisher(mostHosts = 4) {
  const words = new Int32Array(makeWords());
  return { words, snapshot: new SnapshotPublisher(words, 4, mostHosts) };
}

test('a generation holds only what changed, a new worker gets everything', () => {
  const { snapshot } = publisher();
  snapshot.setCluster(cluster('a'));
  snapshot.setCluster(cluster('b'));
  assert.deepEqual(
    snapshot.publish()?.changed.map(({ name }) => name),
    ['a', 'b'],
  );
  snapshot.setCluster(cluster('a'));
  assert.equal(snapshot.publish(), undefined);
  snapshot.setCluster(cluster('b', '2s'));
  const delta = snapshot.publish()!;
  assert.deepEqual(
    delta.changed.map(({ name }) => name),
    ['b'],
  );
  assert.equal(delta.generation, 2);
  assert.equal((readResource(delta.changed[0]) as envoy.config.cluster.v3.Cluster).connectTimeout?.seconds, 2n);
  assert.deepEqual(
    snapshot
      .everything()
      .changed.map(({ name }) => name)
      .sort(),
    ['a', 'b'],
  );
});

test('a host that stays keeps its slot, and its weight stands in its words', () => {
  const { words, snapshot } = publisher();
  snapshot.setEndpoints(endpoints(10, 20));
  const [first, second] = snapshot.publish()!.changed[0].hostSlots;
  assert.equal(words[hostBase(second) + HostWord.Weight], 20);
  snapshot.setEndpoints(endpoints(20, 30));
  const [kept, added] = snapshot.publish()!.changed[0].hostSlots;
  assert.equal(kept, second);
  assert.notEqual(added, first);
});

test('the slot of a host that went is free only after all workers run the generation without it', () => {
  const { words, snapshot } = publisher(2);
  snapshot.setEndpoints(endpoints(10, 20));
  const [gone] = snapshot.publish()!.changed[0].hostSlots;
  snapshot.setEndpoints(endpoints(20));
  snapshot.publish();
  words[hostBase(gone) + HostWord.ActiveRequests] = 5;
  snapshot.acknowledge(1);
  assert.throws(() => snapshot.setEndpoints(endpoints(20, 30)), RangeError);
  snapshot.acknowledge(2);
  snapshot.setEndpoints(endpoints(20, 40));
  assert.equal(snapshot.publish()!.changed[0].hostSlots[1], gone);
  assert.equal(words[hostBase(gone) + HostWord.ActiveRequests], 0);
});

test('a host that comes back before its slot was free keeps it', () => {
  const { snapshot } = publisher();
  snapshot.setEndpoints(endpoints(10, 20));
  const slots = snapshot.publish()!.changed[0].hostSlots;
  snapshot.setEndpoints(endpoints(10));
  snapshot.publish();
  snapshot.setEndpoints(endpoints(10, 20));
  assert.deepEqual(snapshot.publish()!.changed[0].hostSlots, slots);
  snapshot.acknowledge(3);
  snapshot.setEndpoints(endpoints(10, 20, 30));
  const [, , third] = snapshot.publish()!.changed[0].hostSlots;
  assert.ok(!slots.includes(third));
});

test('health_status stands in the words of a host, UNIX sockets have words of their own, a moving host keeps its', () => {
  const { words, snapshot } = publisher(8);
  const assignment = (...hosts: object[]) =>
    fromJson(messageType(resourceType.endpoints), {
      clusterName: 'a',
      endpoints: [{ lbEndpoints: hosts }],
    } as never) as never;
  const pipe = (path: string, healthStatus: string) => ({ endpoint: { address: { pipe: { path } } }, healthStatus });
  snapshot.setEndpoints(assignment(pipe('/a', 'DRAINING'), pipe('/b', 'DEGRADED')));
  const slots = snapshot.publish()!.changed[0].hostSlots;
  assert.notEqual(slots[0], slots[1]);
  const flags = () => slots.map((slot) => words[hostBase(slot) + HostWord.Health]);
  assert.deepEqual(flags(), [HealthFlag.EdsStatusDraining, HealthFlag.DegradedEdsHealth]);
  Atomics.or(words, hostBase(slots[0]) + HostWord.Health, HealthFlag.FailedActiveHc);
  snapshot.setEndpoints(assignment(pipe('/a', 'HEALTHY'), pipe('/b', 'UNHEALTHY')));
  assert.deepEqual(flags(), [HealthFlag.FailedActiveHc, HealthFlag.FailedEdsHealth]);
  snapshot.setEndpoints(endpoints(10), true);
  const [slot] = snapshot.publish()!.changed[0].hostSlots;
  snapshot.setEndpoints(endpoints(20), true);
  assert.deepEqual(snapshot.publish()!.changed[0].hostSlots, [slot]);
});

test('of 10,000 clusters a changed assignment costs one', () => {
  const words = new Int32Array(makeWords());
  const snapshot = new SnapshotPublisher(words, 10_000, 20_000);
  const assignment = (i: number, ports: number[]) => ({ ...endpoints(...ports), clusterName: `c${i}` });
  for (let i = 0; i < 10_000; i++) {
    snapshot.setCluster(cluster(`c${i}`));
    snapshot.setEndpoints(assignment(i, [80]));
  }
  snapshot.acknowledge(snapshot.publish()!.generation);
  const begin = performance.now();
  for (let i = 0; i < 100; i++) {
    snapshot.setEndpoints(assignment(5000, [81 + (i % 2)]));
    const { changed, generation } = snapshot.publish()!;
    assert.equal(changed.length, 1);
    snapshot.acknowledge(generation);
  }
  const each = (performance.now() - begin) / 100;
  assert.ok(each < 5, `${each} ms an update`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { type DnsCluster, dnsCluster } from './dns_cluster.ts';
import type { DnsAnswer } from './resolver.ts';

interface Lab {
  cluster: DnsCluster;
  /** Names asked and not answered yet. */
  asked: Map<string, (answer: DnsAnswer) => void>;
  timers: { callback: () => void; ms: number; stopped: boolean }[];
  hosts: string[];
  stats: Record<string, number>;
  answer(name: string, ...addresses: string[]): void;
  fail(name: string): void;
  /** Runs the last timer. */
  tick(): number;
}

const endpoint = (address: string, port: number, hostname = ''): object => ({
  endpoint: { address: { socketAddress: { address, portValue: port } }, hostname },
});

function lab(endpoints: object[], rest: object = {}): Lab {
  const config = fromJson(messageType('envoy.config.cluster.v3.Cluster'), {
    name: 'c',
    type: 'STRICT_DNS',
    loadAssignment: { clusterName: 'other', endpoints },
    ...rest,
  } as never) as unknown as envoy.config.cluster.v3.Cluster;
  const self = { asked: new Map(), timers: [], hosts: [], stats: {} } as unknown as Lab;
  self.answer = (name, ...addresses) => take(name)({ ok: true, addresses });
  self.fail = (name) => take(name)({ ok: false, reason: 'EAI_AGAIN' });
  const take = (name: string): ((answer: DnsAnswer) => void) => {
    const done = self.asked.get(name);
    assert.ok(done, `${name} was not asked`);
    self.asked.delete(name);
    return done;
  };
  self.tick = () => {
    const timer = self.timers.pop()!;
    assert.equal(timer.stopped, false);
    timer.callback();
    return timer.ms;
  };
  self.cluster = dnsCluster(config, {
    resolver: { resolve: (name, _, done) => void self.asked.set(name, done) },
    onHosts: (assignment) => {
      assert.equal(assignment.clusterName, 'c');
      const all = assignment.endpoints.flatMap((locality) =>
        locality.lbEndpoints.map((each) => {
          const { hostname, address } = each.hostIdentifier.value as envoy.config.endpoint.v3.Endpoint;
          const socket = address!.address.value as envoy.config.core.v3.SocketAddress;
          return `${locality.priority}/${hostname}/${socket.address}:${socket.portSpecifier.value}`;
        }),
      );
      self.hosts.push(all.join(' '));
    },
    onReady: () => self.hosts.push('ready'),
    count: (stat) => {
      self.stats[stat] = (self.stats[stat] ?? 0) + 1;
    },
    timers: {
      start: (callback, ms) => {
        const timer = { callback, ms, stopped: false };
        self.timers.push(timer);
        return timer;
      },
      stop: (timer) => {
        (timer as { stopped: boolean }).stopped = true;
      },
    },
    random: () => 0.5,
  });
  return self;
}

test('every address of a name is a host; only changes are reported', () => {
  const dns = lab([{ lbEndpoints: [endpoint('service1', 80)] }]);
  dns.answer('service1', '10.0.0.1', '10.0.0.2', '10.0.0.3');
  const three = '0/service1/10.0.0.1:80 0/service1/10.0.0.2:80 0/service1/10.0.0.3:80';
  assert.deepEqual(dns.hosts, [three, 'ready']);
  assert.equal(dns.tick(), 5000);
  dns.answer('service1', '10.0.0.3', '10.0.0.1', '10.0.0.2');
  assert.equal(dns.hosts.length, 2);
  dns.tick();
  dns.answer('service1', '10.0.0.4', '10.0.0.3');
  assert.equal(dns.hosts[2], '0/service1/10.0.0.3:80 0/service1/10.0.0.4:80');
  dns.tick();
  dns.answer('service1');
  assert.equal(dns.hosts[3], '');
  assert.deepEqual(dns.stats, { update_attempt: 4, update_success: 4, update_no_rebuild: 1 });
});

test('LOGICAL_DNS: the other addresses of the name are tried when the first one does not answer', () => {
  const lists: string[][] = [];
  const answers: ((answer: DnsAnswer) => void)[] = [];
  const config = fromJson(messageType('envoy.config.cluster.v3.Cluster'), {
    name: 'c',
    type: 'LOGICAL_DNS',
    loadAssignment: { clusterName: 'c', endpoints: [{ lbEndpoints: [endpoint('one', 80)] }] },
  } as never) as unknown as envoy.config.cluster.v3.Cluster;
  const cluster = dnsCluster(config, {
    resolver: { resolve: (_name, _family, done) => void answers.push(done) },
    onHosts: ({ endpoints }) => {
      const host = endpoints[0].lbEndpoints[0].hostIdentifier.value as envoy.config.endpoint.v3.Endpoint;
      const all = [host.address!, ...host.additionalAddresses.map((additional) => additional.address!)];
      lists.push(all.map(({ address }) => (address.value as envoy.config.core.v3.SocketAddress).address));
    },
    onReady: () => {},
  });
  answers[0]({ ok: true, addresses: ['10.0.0.2', '10.0.0.1', '::1'] });
  cluster.stop();
  assert.deepEqual(lists, [['10.0.0.2', '10.0.0.1', '::1']]);
});

test('LOGICAL_DNS follows the first address and keeps it when an answer is empty', () => {
  const dns = lab([{ lbEndpoints: [endpoint('one', 80)] }], { type: 'LOGICAL_DNS' });
  dns.answer('one', '10.0.0.1', '10.0.0.2');
  assert.deepEqual(dns.hosts, ['0/one/10.0.0.1:80', 'ready']);
  dns.tick();
  dns.answer('one', '10.0.0.2', '10.0.0.1');
  assert.equal(dns.hosts[2], '0/one/10.0.0.2:80');
  dns.tick();
  dns.answer('one');
  assert.equal(dns.hosts.length, 3);
  assert.deepEqual(dns.stats, { update_attempt: 3, update_success: 2, update_failure: 1 });
});

test('a TTL is respected where the cluster says so, 0 tells nothing', () => {
  const dns = lab([{ lbEndpoints: [endpoint('one', 80)] }], { respectDnsTtl: true, dnsJitter: '2s' });
  dns.asked.get('one')!({ ok: true, addresses: ['10.0.0.1'], ttl: 30 });
  assert.equal(dns.tick(), 31_000);
  dns.asked.get('one')!({ ok: true, addresses: ['10.0.0.1'], ttl: 0 });
  assert.equal(dns.tick(), 6000);
});

test('a failure keeps the addresses and is repeated with back-off', () => {
  const dns = lab([{ lbEndpoints: [endpoint('a', 1)] }], {
    dnsRefreshRate: '3s',
    dnsFailureRefreshRate: { baseInterval: '1s', maxInterval: '3s' },
  });
  dns.fail('a');
  assert.deepEqual(dns.hosts, ['ready']);
  assert.equal(dns.tick(), 500);
  dns.fail('a');
  assert.equal(dns.tick(), 1000);
  dns.fail('a');
  assert.equal(dns.tick(), 1500);
  dns.answer('a', '10.0.0.1');
  assert.equal(dns.tick(), 3000);
  dns.fail('a');
  assert.equal(dns.tick(), 500);
  assert.deepEqual(dns.hosts, ['ready', '0/a/10.0.0.1:1']);
  assert.equal(dns.stats.update_failure, 4);
});

test('without dns_failure_refresh_rate the usual rate holds, jitter is added to answers', () => {
  const dns = lab([{ lbEndpoints: [endpoint('a', 1)] }], { dnsJitter: '2s' });
  dns.fail('a');
  assert.equal(dns.tick(), 5000);
  dns.answer('a', '10.0.0.1');
  assert.equal(dns.tick(), 6000);
});

test('literals stand at once, names follow; hostnames and priorities are kept, duplicates dropped', () => {
  const dns = lab([
    { lbEndpoints: [endpoint('127.0.0.1', 1), endpoint('a', 1, 'named'), endpoint('a', 2), endpoint('b', 1)] },
    { lbEndpoints: [endpoint('a', 1)], priority: 1 },
  ]);
  assert.deepEqual(dns.hosts, ['0/127.0.0.1/127.0.0.1:1']);
  dns.answer('b', '127.0.0.1', '10.0.0.2');
  assert.deepEqual(dns.hosts.slice(1), ['0/127.0.0.1/127.0.0.1:1 0/b/127.0.0.1:1 0/b/10.0.0.2:1', 'ready']);
  dns.answer('a', '10.0.0.1');
  assert.equal(
    dns.hosts[3],
    '0/127.0.0.1/127.0.0.1:1 0/named/10.0.0.1:1 0/a/10.0.0.1:2 0/b/127.0.0.1:1 0/b/10.0.0.2:1 1/a/10.0.0.1:1',
  );
  assert.equal(dns.stats.update_attempt, 2);
});

test('a cluster of literals is ready at once', () => {
  assert.deepEqual(lab([{ lbEndpoints: [endpoint('::1', 1)] }]).hosts, ['0/::1/::1:1', 'ready']);
  assert.deepEqual(lab([]).hosts, ['ready']);
});

test('nothing is told after stop()', () => {
  const dns = lab([{ lbEndpoints: [endpoint('a', 1), endpoint('b', 1)] }]);
  dns.answer('a', '10.0.0.1');
  const told = dns.hosts.length;
  dns.cluster.stop();
  assert.equal(dns.timers[0].stopped, true);
  dns.answer('b', '10.0.0.2');
  assert.equal(dns.hosts.length, told);
});

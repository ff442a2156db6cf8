import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { waitFor } from '../../test/support/wait_for.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { ipAddress } from '../common/address.ts';
import { HealthFlag, HostWord, hostBase, makeWords } from '../snapshot/layout.ts';
import { HealthChecker } from './health_checker.ts';
import { HEALTH_CHECK } from './stats.ts';

const running: (() => unknown)[] = [];
after(() => {
  for (const stop of running) stop();
});

interface Service {
  status: number;
  answer: boolean;
  headers: Record<string, string>;
  readonly seen: { method: string; url: string; headers: IncomingHttpHeaders; raw: string[] }[];
  readonly port: number;
}

async function service(): Promise<Service> {
  const seen: Service['seen'] = [];
  const server = createServer((request, response) => {
    seen.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      raw: request.rawHeaders,
    });
    if (self.answer) response.writeHead(self.status, self.headers).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const self: Service = { status: 200, answer: true, headers: {}, seen, port: (server.address() as AddressInfo).port };
  return self;
}

function checker(ports: readonly number[], check: object = {}) {
  const json = {
    name: 'backend',
    health_checks: [
      {
        timeout: '5s',
        interval: '0.02s',
        unhealthy_threshold: 2,
        healthy_threshold: 2,
        http_health_check: { path: '/healthz' },
        ...check,
      },
    ],
  };
  const message = fromJson(messageType('envoy.config.cluster.v3.Cluster'), json as never) as unknown;
  const words = new Int32Array(makeWords());
  const stats = new Float64Array(HEALTH_CHECK.names.length);
  let changes = 0;
  const health = new HealthChecker(message as envoy.config.cluster.v3.Cluster, {
    words,
    stats,
    tls: undefined,
    random: () => 0,
    hasTraffic: () => true,
    onChange: () => {
      changes++;
    },
  });
  running.push(() => health.stop());
  health.setHosts(
    ports.map((port, slot) => ({
      key: String(port),
      address: ipAddress('127.0.0.1', port),
      hostname: '',
      disabled: false,
      slot,
    })),
  );
  const flags = (slot: number) => words[hostBase(slot) + HostWord.Health] & 0xffff;
  return { health, words, stats, flags, changes: () => changes };
}

test('a host is unhealthy until its first check, and the request is the one Envoy sends', async () => {
  const host = await service();
  const { health, flags, stats } = checker([host.port]);
  assert.equal(flags(0), HealthFlag.FailedActiveHc);
  await health.firstRound;
  assert.equal(flags(0), 0);
  const [{ method, url, raw }] = host.seen;
  assert.deepEqual([method, url, raw], ['GET', '/healthz', ['host', 'backend', 'user-agent', 'Envoy/HC']]);
  assert.equal(stats[HEALTH_CHECK.slot.healthy], 1);
});

test('goes and comes back by its answers', async () => {
  const host = await service();
  const { health, flags, stats } = checker([host.port]);
  await health.firstRound;
  host.status = 503;
  await waitFor('the host to fail', () => flags(0) === HealthFlag.FailedActiveHc);
  host.status = 200;
  await waitFor('the host to be back', () => flags(0) === 0);
  host.headers = { 'x-envoy-degraded': '1' };
  await waitFor('the host to be degraded', () => flags(0) === HealthFlag.DegradedActiveHc);
  assert.equal(stats[HEALTH_CHECK.slot.degraded], 1);
  assert.ok(stats[HEALTH_CHECK.slot.failure] >= 1 && stats[HEALTH_CHECK.slot.network_failure] === 0);
});

test('one that does not answer times out, one that is not there fails; the first round ends all the same', async () => {
  const silent = await service();
  silent.answer = false;
  const gone = await service();
  const { health, flags, stats } = checker([silent.port, 1], { timeout: '0.1s' });
  await health.firstRound;
  assert.equal(flags(0), HealthFlag.FailedActiveHc | HealthFlag.ActiveHcTimeout);
  assert.equal(flags(1), HealthFlag.FailedActiveHc);
  assert.ok(stats[HEALTH_CHECK.slot.network_failure] >= 2);
  assert.equal(gone.seen.length, 0);
});

test('hosts that stay keep their state, those that go are not asked any more', async () => {
  const [one, two] = [await service(), await service()];
  const { health, flags } = checker([one.port, two.port]);
  await health.firstRound;
  health.setHosts([
    { key: String(one.port), address: ipAddress('127.0.0.1', one.port), hostname: '', disabled: false, slot: 0 },
  ]);
  assert.equal(flags(0), 0);
  const asked = two.seen.length;
  const before = one.seen.length;
  await waitFor('more checks', () => one.seen.length > before + 3);
  assert.ok(two.seen.length <= asked + 1);
});

test('another service behind the address is not taken for ours', async () => {
  const host = await service();
  host.headers = { 'x-envoy-upstream-healthchecked-cluster': 'other-1' };
  const { health, flags, stats } = checker([host.port], {
    http_health_check: { path: '/', service_name_matcher: { prefix: 'mine' }, expected_statuses: [] },
  });
  await health.firstRound;
  assert.equal(flags(0), HealthFlag.FailedActiveHc);
  assert.ok(stats[HEALTH_CHECK.slot.verify_cluster] >= 1);
});

test('expected statuses are half-open ranges', async () => {
  const host = await service();
  host.status = 204;
  const { health, flags } = checker([host.port], {
    http_health_check: { path: '/', expected_statuses: [{ start: '204', end: '205' }] },
  });
  await health.firstRound;
  assert.equal(flags(0), 0);
});

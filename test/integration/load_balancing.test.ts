/** What all workers share: exact round robin, circuit breakers that count once, and connections spread over the threads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let hosts: Upstream[];
let port: number;

const limits = (thresholds: Json): Json => ({ circuit_breakers: { thresholds: [thresholds] } });

before(async () => {
  hosts = await Promise.all(
    Array.from({ length: 3 }, (_, i) =>
      startUpstream({ respond: (_request, socket) => respond(socket, { body: String(i) }) }),
    ),
  );
  const ports = hosts.map((host) => host.port);
  const clusters = [
    cluster('round-robin', ports),
    cluster('random', ports, { lb_policy: 'RANDOM' }),
    cluster('least-request', ports, { lb_policy: 'LEAST_REQUEST' }),
    cluster('narrow', [ports[0]], limits({ max_connections: 1, max_pending_requests: 2 })),
    cluster('few', [ports[0]], limits({ max_requests: 2 })),
    cluster('by-name', [], {
      type: 'STRICT_DNS',
      dns_lookup_family: 'V4_ONLY',
      load_assignment: {
        cluster_name: 'by-name',
        endpoints: [
          {
            lb_endpoints: ports.map((value) => ({
              endpoint: { address: { socket_address: { address: 'localhost', port_value: value } } },
            })),
          },
        ],
      },
    }),
  ];
  const routes = clusters.map(({ name }) => route(`/${name}`, String(name)));
  proxy = await startProxy(bootstrap([httpListener('main', routes)], clusters), { concurrency: 2 });
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await Promise.all(hosts?.map((host) => host.close()) ?? []);
});

/** Sends `total` requests one after another, each on the next of `connections` connections; counts the answers. */
async function spread(path: string, total: number, connections: number): Promise<number[]> {
  const clients = await Promise.all(Array.from({ length: connections }, () => RawClient.connect(port)));
  const counts = hosts.map(() => 0);
  for (let i = 0; i < total; i++) {
    const client = clients[i % connections];
    client.send(requestBytes(path));
    counts[Number((await client.response()).text)]++;
  }
  for (const client of clients) client.destroy();
  return counts;
}

test('round robin is exact over all workers', { skip: isEnvoy && 'Envoy counts for each worker' }, async () => {
  assert.deepEqual(await spread('/round-robin', 300, 8), [100, 100, 100]);
});

for (const policy of ['random', 'least-request', 'by-name']) {
  test(`${policy} reaches every host`, async () => {
    for (const count of await spread(`/${policy}`, 300, 4)) assert.ok(count > 50, String(count));
  });
}

test('both workers take connections', async () => {
  await waitFor('connections on both workers', async () => {
    await (await RawClient.connect(port)).end();
    const stats = await proxy.admin('/stats?filter=worker_\\d+\\.downstream_cx_total$');
    const counts = [...stats.text.matchAll(/main|127\S+: (\d+)$/gm)].map((match) => Number(match[1]));
    return counts.length === 2 && counts.every((count) => count > 0);
  });
});

interface Crowd {
  /** At the host at the same time. */
  inFlight: number;
  pending: number;
  refused: number;
}

/**
 * Sends `count` requests at once to a host that keeps silent, and answers them once each has found its place: a request is
 * pending too while its connection is being made, so `isLasting` tells when that is over.
 */
async function crowd(name: string, count: number, isLasting: (places: Crowd) => boolean): Promise<Crowd> {
  const waiting: (() => void)[] = [];
  const script = hosts[0].script;
  hosts[0].script = { respond: (_request, socket) => void waiting.push(() => respond(socket, { body: 'late' })) };
  let refused = 0;
  const responses = Array.from({ length: count }, async () => {
    const response = await request(port, `/${name}`);
    if (response.status === 200) return;
    refused++;
    assert.equal(response.status, 503);
    assert.equal(response.get('x-envoy-overloaded'), 'true');
    assert.match(response.text, /reset reason: overflow$/);
  });
  const places = await waitFor('place for each', async () => {
    const pending = await proxy.stat(`cluster.${name}.upstream_rq_pending_active`);
    const places = { inFlight: waiting.length, pending, refused };
    return places.inFlight + pending + refused === count && isLasting(places) && places;
  });
  const release = setInterval(() => {
    for (const answer of waiting.splice(0)) answer();
  }, 5);
  await Promise.all(responses);
  clearInterval(release);
  hosts[0].script = script;
  return places;
}

test('max_pending_requests holds over all workers', async () => {
  const { inFlight, pending, refused } = await crowd('narrow', 8, (places) => places.inFlight > 0);
  // A worker without any connection may open one whatever the limit, or its requests would wait for ever.
  assert.ok(inFlight >= 1 && inFlight <= 2, `${inFlight} connections`);
  assert.ok(pending <= 2, `${pending} pending`);
  assert.ok(refused >= 4, `${refused} refused`);
  assert.equal(await proxy.stat('cluster.narrow.upstream_rq_pending_overflow'), refused);
});

test('max_requests holds over all workers', async () => {
  const { inFlight, refused } = await crowd('few', 6, (places) => places.pending === 0);
  assert.deepEqual([inFlight, refused], [2, 4]);
});

test('the breakers open again', async () => {
  assert.equal((await request(port, '/narrow')).status, 200);
  assert.equal((await request(port, '/few')).status, 200);
});

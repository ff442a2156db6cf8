/** What a control plane does to a proxy that serves: each scenario under load that must lose nothing. */
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { certificateRotation } from './certificates.ts';
import { expect, freePort } from './context.ts';
import { reconnectStorm } from './reconnect_storm.ts';
import { assignment, bootstrapFor, edsCluster, listener, routes, source } from './resources.ts';
import { ms, type Scenario, scenario } from './scenario.ts';

/** The control plane comes after the proxy; hosts register, and go. */
const edsLab = scenario('EDS lab: control plane late, hosts come and go', async (setting) => {
  const { transport, plane, traffic } = setting;
  await plane.kill();
  const own = {
    name: 'lab',
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: source(transport, { initial_fetch_timeout: '0.5s' }) },
  };
  const base = bootstrapFor(transport, plane, {}, [own]);
  const dynamic = base['dynamic_resources'] as Record<string, unknown>;
  delete dynamic['cds_config'];
  delete dynamic['lds_config'];
  (base['static_resources'] as Record<string, unknown>)['listeners'] = [
    listener(transport, 'main', setting.port, 'lab'),
  ];
  await setting.startProxy(base);
  expect((await setting.body(setting.port)) === '503', 'is not 503 without hosts');
  await plane.start();
  const begin = performance.now();
  await setting.set({ endpoints: [assignment('lab', [setting.blue])] });
  await setting.serves(setting.port, 'blue');
  const connected = performance.now() - begin;
  traffic.load(setting.port);
  await delay(300);
  await setting.set({ endpoints: [assignment('lab', [setting.green])] });
  const moved = await setting.serves(setting.port, 'green');
  const seen = await setting.nothingLost();
  traffic.stopLoad();
  await setting.set({ endpoints: [assignment('lab', [])] });
  await waitFor('503 without hosts', async () => (await setting.body(setting.port)) === '503');
  return `serves after ${ms(connected)}, next change ${ms(moved)}, ${seen.answered} requests, worst ${ms(seen.worst)}`;
});

const edsUpdates = scenario('200 EDS updates in 10 s', async (setting) => {
  await setting.serve();
  const ports: number[] = [];
  for (let i = 0; i < 10; i++) ports.push(await setting.traffic.upstream(`host${i}`));
  const begin = performance.now();
  for (let i = 0; i < 200; i++) {
    const some = ports.filter((_, k) => (k + i) % 3 !== 0);
    await setting.set({ endpoints: [assignment('a', some), assignment('b', [setting.green])] });
    await delay(Math.max(0, begin + (i + 1) * 50 - performance.now()));
  }
  const seen = await setting.nothingLost();
  expect(setting.plane.refused().length === 0, `refused: ${setting.plane.refused()[0]}`);
  return `${seen.answered} requests, median ${ms(seen.median)}, worst ${ms(seen.worst)}`;
});

const blueGreen = scenario('20 blue/green route switches', async (setting) => {
  await setting.serve();
  const took: number[] = [];
  for (let i = 1; i <= 20; i++) {
    await setting.set({ routes: [routes('routes', i % 2 === 1 ? 'b' : 'a')] });
    took.push(await setting.serves(setting.port, i % 2 === 1 ? 'green' : 'blue'));
    await delay(100);
  }
  const seen = await setting.nothingLost();
  took.sort((a, b) => a - b);
  return `switch median ${ms(took[10])}, most ${ms(took[19])}; ${seen.answered} requests, worst ${ms(seen.worst)}`;
});

const listeners = scenario('listener added, changed in place, replaced, removed', async (setting) => {
  await setting.serve();
  const { transport, traffic } = setting;
  const main = listener(transport, 'main', setting.port);
  const port = await freePort();
  await setting.set({ listeners: [main, listener(transport, 'other', port, 'b')] });
  const added = await setting.serves(port, 'green');
  traffic.load(port);
  await delay(500);
  for (let i = 0; i < 6; i++) {
    // Its filter chain alone, then the listener itself.
    const more = i < 3 ? {} : { per_connection_buffer_limit_bytes: 100_000 + i };
    const to = i % 2 === 0 ? 'a' : 'b';
    await setting.set({ listeners: [main, listener(transport, 'other', port, to, more)] });
    await setting.serves(port, to === 'a' ? 'blue' : 'green');
    await delay(300);
  }
  traffic.stopLoad(port);
  await delay(100);
  await setting.set({ listeners: [main] });
  await waitFor('the listener to go', async () => (await setting.body(port)) === 'refused');
  await delay(300);
  const seen = await setting.nothingLost();
  return `serves ${ms(added)} after it was set; ${seen.answered} requests, worst ${ms(seen.worst)}`;
});

const clusters = scenario('cluster added, changed, removed', async (setting) => {
  await setting.serve();
  const { transport } = setting;
  const base = [edsCluster(transport, 'a'), edsCluster(transport, 'b')];
  const hosts = [assignment('a', [setting.blue]), assignment('b', [setting.green])];
  const red = await setting.traffic.upstream('red');
  for (let round = 0; round < 5; round++) {
    const endpoints = [...hosts, assignment('c', [red])];
    await setting.set({ clusters: [...base, edsCluster(transport, 'c')], endpoints });
    await waitFor('the cluster', async () => (await setting.proxy.stat('cluster_manager.active_clusters')) >= 5);
    await setting.set({ routes: [routes('routes', 'c')] });
    await setting.serves(setting.port, 'red');
    for (const timeout of ['2s', '3s']) {
      await setting.set({ clusters: [...base, edsCluster(transport, 'c', { connect_timeout: timeout })], endpoints });
      await delay(150);
    }
    await setting.set({ routes: [routes('routes', 'a')] });
    await setting.serves(setting.port, 'blue');
    await setting.set({ clusters: base, endpoints: hosts });
    await waitFor('the cluster to go', async () => (await setting.proxy.stat('cluster_manager.active_clusters')) === 4);
  }
  const seen = await setting.nothingLost();
  return `${seen.answered} requests, worst ${ms(seen.worst)}`;
});

const restarts = scenario('control plane killed and restarted', async (setting) => {
  await setting.serve();
  const took: number[] = [];
  for (let round = 0; round < 3; round++) {
    await setting.plane.kill();
    await delay(1000);
    setting.plane.events = [];
    await setting.plane.start();
    const begin = performance.now();
    const green = round % 2 === 0;
    await setting.set({
      clusters: [edsCluster(setting.transport, 'a'), edsCluster(setting.transport, 'b')],
      endpoints: [assignment('a', [setting.blue]), assignment('b', [setting.green])],
      listeners: [listener(setting.transport, 'main', setting.port)],
      routes: [routes('routes', green ? 'b' : 'a')],
    });
    await setting.serves(setting.port, green ? 'green' : 'blue');
    took.push(performance.now() - begin);
  }
  const seen = await setting.nothingLost();
  let told = '';
  if (setting.transport === 'delta') {
    const initial = setting.plane.events.filter((event) => event.initial !== undefined);
    const names = initial.flatMap((event) => Object.keys(event.initial!)).sort();
    expect(names.join() === 'a,a,b,b,main,routes', `told on reconnect: ${names.join()}`);
    told = '; told what it holds on reconnect';
  }
  return `in step again after ${took.map(ms).join(', ')}; ${seen.answered} requests, worst ${ms(seen.worst)}${told}`;
});

const nacks = scenario('bad resources refused with every reason', async (setting) => {
  const { transport, plane } = setting;
  // A fetch has no way to say no.
  if (transport === 'rest') return 'not offered';
  await setting.serve();
  const good = [edsCluster(transport, 'a'), edsCluster(transport, 'b')];
  await setting.set({
    clusters: [
      ...good,
      // Two faults in one, a third in another.
      edsCluster(transport, 'bad1', {
        connect_timeout: '-1s',
        per_connection_buffer_limit_bytes: 1,
        lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
      }),
      edsCluster(transport, 'bad2', { dns_refresh_rate: '0s' }),
    ],
  });
  await waitFor('the refusal of clusters', () => plane.refused().length > 0);
  const cluster = plane.refused().join('\n');
  for (const part of ['bad1', 'connect_timeout', 'bad2', 'dns_refresh_rate']) {
    expect(cluster.includes(part), `'${part}' is not in: ${cluster}`);
  }
  await setting.set({ clusters: good });
  plane.events = [];
  const bad = routes('routes', 'a');
  (bad['virtual_hosts'] as Record<string, unknown>[])[0]['routes'] = [
    { match: { safe_regex: { regex: '/(a' } }, route: { cluster: 'a' } },
    {
      match: { prefix: '/' },
      route: {
        cluster: 'a',
        timeout: '1s',
        max_grpc_timeout: '-1s',
        prefix_rewrite: '/x',
        regex_rewrite: { pattern: { regex: '(b' }, substitution: '' },
      },
    },
  ];
  await setting.set({ routes: [bad] });
  await waitFor('the refusal of routes', () => plane.refused().length > 0);
  const route = plane.refused().join('\n');
  expect(route.includes('regex') && route.includes('/(a'), `the regular expression is not named: ${route}`);
  const refusals = plane.refused().length;
  await delay(1000);
  const again = plane.refused().length - refusals;
  await setting.set({ routes: [routes('routes', 'b')] });
  await setting.serves(setting.port, 'green');
  const seen = await setting.nothingLost();
  return `clusters: «${cluster.split('\n').join('» «')}»; routes: «${route}»; ${again} refusals more in 1 s; ${seen.answered} requests`;
});

const timeToLive = scenario(
  'time to live: heartbeats keep, silence removes',
  async (setting) => {
    const { transport } = setting;
    // go-control-plane tells times to live over state of the world alone.
    if (transport !== 'sotw' && transport !== 'grpc') return 'not offered';
    await setting.serve();
    const endpoints = [assignment('a', [setting.blue]), assignment('b', [setting.green])];
    await setting.set({ endpoints }, 2);
    await delay(5000);
    const seen = await setting.nothingLost();
    expect((await setting.body(setting.port)) === 'blue', 'hosts went although they were renewed');
    const clusterCount = await setting.proxy.stat('cluster_manager.active_clusters');
    await setting.set({ clusters: [edsCluster(transport, 'a'), edsCluster(transport, 'b')] }, 2);
    await delay(500);
    setting.traffic.stopLoad();
    await setting.plane.kill();
    await waitFor(
      'the clusters to expire',
      async () => (await setting.proxy.stat('cluster_manager.active_clusters')) === clusterCount - 2,
      { withinMs: 8000 },
    );
    return `${seen.answered} requests while renewed; gone after silence`;
  },
  { heartbeat: '500ms' },
);

export const scenarios: readonly Scenario[] = [
  edsLab,
  edsUpdates,
  blueGreen,
  listeners,
  clusters,
  certificateRotation,
  restarts,
  reconnectStorm,
  nacks,
  timeToLive,
];

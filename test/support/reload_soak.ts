/** Requests over kept connections while the configuration file is changed and loaded again: whether one of them fails. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { bootstrap, cluster, httpListener, type Json, route, tcpListener } from './bootstrap.ts';
import { startProxy } from './proxy.ts';
import { RawClient, requestBytes } from './raw_client.ts';
import { startUpstream } from './upstream.ts';
import { waitFor } from './wait_for.ts';

export interface SoakResult {
  readonly requests: number;
  readonly reloads: number;
  readonly connections: number;
  /** What went wrong with requests, each with how often. */
  readonly failures: ReadonlyMap<string, number>;
  /** Milliseconds from the signal to the first answer by the new configuration, the worst. */
  readonly slowestReload: number;
}

/** Every generation changes routes, the hosts of a cluster and its settings, and adds or removes a cluster and a listener. */
function configOf(generation: number, ports: readonly number[]): Json {
  const version = { response_headers_to_add: [{ header: { key: 'x-generation', value: String(generation) } }] };
  const listeners = [
    httpListener(
      'main',
      [route('/', `hosts-${generation % 3}`, {}, version)],
      generation % 5 === 0 ? { via: 'x' } : {},
    ),
  ];
  const clusters = [0, 1, 2].map((i) =>
    cluster(`hosts-${i}`, [ports[(i + generation) % ports.length]], { connect_timeout: `${1 + (generation % 2)}s` }),
  );
  if (generation % 2 === 1) {
    clusters.push(cluster(`extra-${generation}`, [ports[0]]));
    listeners.push(tcpListener('extra', `extra-${generation}`));
  }
  return bootstrap(listeners, clusters, {
    layered_runtime: { layers: [{ name: 'static', static_layer: { generation } }] },
  });
}

/** At least so many requests, the reloads spread over them, each seen by a request before the next. */
export async function reloadSoak(requests: number, reloads: number, concurrency = 2, clients = 8): Promise<SoakResult> {
  const upstreams = await Promise.all([startUpstream(), startUpstream()]);
  const ports = upstreams.map(({ port }) => port);
  const proxy = await startProxy(configOf(0, ports), { concurrency, logLevel: 'warn' });
  const port = proxy.port('main');
  const failures = new Map<string, number>();
  let sent = 0;
  let connections = 0;
  let seen = 0;
  let reloaded = false;
  const fail = (why: string) => failures.set(why, (failures.get(why) ?? 0) + 1);
  const client = async (): Promise<void> => {
    let connection: RawClient | undefined;
    while (sent < requests || !reloaded) {
      sent++;
      if (connection === undefined) connections++;
      connection ??= await RawClient.connect(port);
      try {
        connection.send(requestBytes('/'));
        const response = await connection.response();
        if (response.status !== 200) fail(`status ${response.status}: ${response.text.slice(0, 80)}`);
        seen = Math.max(seen, Number(response.get('x-generation')));
        if (response.get('connection') !== 'close') continue;
      } catch (error) {
        fail((error as Error).message.slice(0, 80));
      }
      connection.destroy();
      connection = undefined;
    }
    connection?.destroy();
  };
  let slowestReload = 0;
  const reload = async (): Promise<void> => {
    for (let generation = 1; generation <= reloads; generation++) {
      await waitFor('requests', () => sent >= (requests * (generation - 0.5)) / reloads, { withinMs: 60_000 });
      writeFileSync(path.join(proxy.dir, 'bootstrap.yaml'), JSON.stringify(configOf(generation, ports)));
      const started = performance.now();
      proxy.signal('SIGHUP');
      await waitFor(`generation ${generation}`, () => seen >= generation, { withinMs: 10_000 });
      slowestReload = Math.max(slowestReload, performance.now() - started);
    }
  };
  try {
    const reloading = reload().finally(() => {
      reloaded = true;
    });
    await Promise.all([reloading, ...Array.from({ length: clients }, client)]);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${proxy.stderr()}${proxy.stdout()}`);
  } finally {
    await proxy.stop();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  }
  return { requests: sent, reloads, connections, failures, slowestReload };
}

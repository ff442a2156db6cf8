/**
 * A control plane that goes mad, under constant load: `npm run xds:chaos -- [--seconds 60] [--seed N] [--transport sotw,delta]`. Valid and
 * invalid updates, streams that end in every phase. No request may fail that the last valid configuration serves, and in the end
 * a valid configuration must be taken. Prints the seed; ends with 1 when anything was lost.
 */
import { parseArgs } from 'node:util';
import type { Json } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { Random } from '../../test/support/random.ts';
import { request } from '../../test/support/raw_client.ts';
import { adsBootstrap } from '../../test/support/resource_server.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { commands, freePort } from '../xds_peers/context.ts';
import { assignment, edsCluster, listener, routes } from '../xds_peers/resources.ts';
import { Traffic } from '../xds_peers/traffic.ts';
import { ChaosPlane, type Kind, kinds, type State } from './plane.ts';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    transport: { type: 'string', default: 'sotw,delta' },
    proxy: { type: 'string', default: 'nuncio' },
  },
});

const traffic = new Traffic();
const blue = await traffic.upstream('blue');
const green = await traffic.upstream('green');

class Chaos {
  readonly plane = new ChaosPlane();
  private readonly random: Random;
  private readonly main: number;
  private readonly other: number;
  private route = 'a';
  private swapped = false;
  private extras = 0;
  private listens = false;
  private limit = 100_000;
  readonly done = new Map<string, number>();

  constructor(random: Random, main: number, other: number) {
    this.random = random;
    this.main = main;
    this.other = other;
  }

  /** Whatever is chosen, requests to the main listener are answered by blue or green. */
  state(): State {
    const names = ['a', 'b', ...Array.from({ length: this.extras }, (_, i) => `extra${i}`)];
    const main = { per_connection_buffer_limit_bytes: this.limit };
    const [one, two] = this.swapped ? [green, blue] : [blue, green];
    return {
      cluster: names.map((name) => edsCluster('sotw', name)),
      endpoints: names.map((name) => assignment(name, [name === 'b' ? two : one])),
      listener: [
        listener('sotw', 'main', this.main, undefined, main),
        ...(this.listens ? [listener('sotw', 'other', this.other, 'b')] : []),
      ],
      routes: [routes('routes', this.route)],
    };
  }

  step(): void {
    const all: Record<string, () => void> = { ...this.valid, ...this.invalid, ...this.rude };
    const names = Object.keys(all);
    const name = this.random.pick(names);
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    all[name]();
  }

  private readonly valid: Record<string, () => void> = {
    'route changes': () => {
      this.route = this.route === 'a' ? 'b' : 'a';
      this.plane.set(this.state(), ['routes']);
    },
    'endpoints move': () => {
      this.swapped = !this.swapped;
      this.plane.set(this.state(), ['endpoints']);
    },
    'clusters come and go': () => {
      this.extras = this.random.int(5);
      this.plane.set(this.state(), ['cluster', 'endpoints']);
    },
    'a listener comes or goes': () => {
      this.listens = !this.listens;
      this.plane.set(this.state(), ['listener']);
    },
    'the main listener is replaced': () => {
      this.limit = 100_000 + this.random.int(3);
      this.plane.set(this.state(), ['listener']);
    },
    'everything again': () => this.plane.set(this.state()),
  };

  private readonly invalid: Record<string, () => void> = {
    'a bad cluster': () => this.with('cluster', [edsCluster('sotw', 'bad', { dns_refresh_rate: '0s' })]),
    'a bad change of a cluster': () =>
      this.plane.tell('cluster', [edsCluster('sotw', 'a', { connect_timeout: '-1s' }), edsCluster('sotw', 'b')]),
    'a cluster twice': () => this.with('cluster', [edsCluster('sotw', 'a', { connect_timeout: '2s' })]),
    'bad routes': () => {
      const bad = routes('routes', 'a') as { virtual_hosts: Json[] };
      bad.virtual_hosts.push({ name: 'again', domains: ['*'] });
      this.plane.tell('routes', [bad]);
    },
    'bad endpoints': () => {
      const address = { socket_address: { address: 'nowhere', port_value: 1 } };
      const bad = { cluster_name: this.route, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
      this.plane.tell('endpoints', [bad]);
    },
    'a bad listener': () => this.with('listener', [listener('sotw', 'bad', this.main, 'a')]),
    'a bad change of the main listener': () => {
      const main = listener('sotw', 'main', this.main, undefined, { filter_chains: [] });
      this.plane.tell('listener', [main]);
    },
    'no routes': () => this.plane.tell('routes', []),
    'no endpoints': () => this.plane.tell('endpoints', []),
    'an unknown type': () => this.plane.tellUnknown(),
    'a resource of another type': () =>
      this.plane.tellBroken(this.kind(), {
        typeUrl: 'type.googleapis.com/envoy.type.v3.Int64Range',
        value: new Uint8Array(),
      }),
    'a resource that is no message': () => {
      const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
      this.plane.tellBroken('cluster', { typeUrl, value: this.bytes(50) });
    },
    'a huge nonce': () => {
      const kind = this.kind();
      this.plane.tell(kind, this.state()[kind], { nonce: 'n'.repeat(1_000_000) });
    },
  };

  private readonly rude: Record<string, () => void> = {
    'a message that is no protobuf': () => this.plane.sendBytes(this.bytes(30), true),
    'bytes that are no message': () => this.plane.sendBytes(this.bytes(10), false),
    'half a message': () => this.plane.sendBytes(Uint8Array.of(0, 0, 0, 1), false),
    'the stream ends': () => this.plane.end(this.random.pick([0, 2, 13, 14])),
    'the stream is reset': () => this.plane.reset('stream'),
    'the connection is lost': () => this.plane.reset('connection'),
  };

  private with(kind: Kind, more: readonly Json[]): void {
    this.plane.tell(kind, [...this.state()[kind], ...more]);
  }

  private kind(): Kind {
    return this.random.pick(kinds);
  }

  private bytes(most: number): Uint8Array {
    return Uint8Array.from({ length: 1 + this.random.int(most) }, () => this.random.int(256));
  }

  /** A last word that must be taken. */
  settle(route: string): void {
    this.route = route;
    this.swapped = false;
    this.plane.set(this.state());
  }
}

let failed = false;
for (const transport of args.transport.split(',')) {
  const seed = Number(args.seed);
  console.log(`${transport}, seed ${seed}`);
  const [main, other] = [await freePort(), await freePort()];
  const chaos = new Chaos(new Random(seed), main, other);
  await chaos.plane.start();
  chaos.plane.set(chaos.state());
  const config = adsBootstrap(chaos.plane.plane.port);
  const dynamic = config['dynamic_resources'] as Record<string, Json>;
  if (transport === 'delta') dynamic['ads_config']['api_type'] = 'DELTA_GRPC';
  const [service] = dynamic['ads_config']['grpc_services'] as { envoy_grpc: Json }[];
  // Most of the time there is a stream to be rude on.
  service.envoy_grpc['retry_policy'] = { retry_back_off: { base_interval: '0.05s', max_interval: '0.1s' } };
  const proxy = await startProxy(config, { command: commands[args.proxy], concurrency: 2, logLevel: 'warning' });
  const body = async (port: number) => (await request(port, '/').catch(() => undefined))?.body.toString();
  await waitFor('the first answer', async () => (await body(main)) === 'blue');
  await traffic.take();
  traffic.load(main, { lanes: 10, pause: 20 });
  const until = performance.now() + Number(args.seconds) * 1000;
  while (performance.now() < until) {
    chaos.step();
    await delay(30);
    if (!chaos.plane.connected) await delay(100);
  }
  const seen = await traffic.take();
  // Half a message may be on the stream, and what follows is in it.
  chaos.plane.reset('connection');
  for (const [route, name] of [
    ['b', 'green'],
    ['a', 'blue'],
  ] as const) {
    await waitFor('a stream', () => chaos.plane.connected, { withinMs: 40_000 });
    chaos.settle(route);
    await waitFor(`${name} in the end`, async () => (await body(main)) === name, { withinMs: 15_000 }).catch(
      (error: Error) => {
        failed = true;
        console.log(`**${error.message}**`);
      },
    );
  }
  traffic.stopLoad();
  const faults = `${proxy.stderr()}${proxy.stdout()}`
    .split('\n')
    .filter((line) => /could not be applied|\]\[error\]|\]\[critical\]|TypeError/.test(line));
  console.log([...chaos.done].map(([name, times]) => `${times} × ${name}`).join(', '));
  console.log(
    `${seen.answered} requests, median ${seen.median.toFixed(1)} ms, worst ${seen.worst.toFixed(1)} ms; ${chaos.plane.refused.length} refusals`,
  );
  for (const [why, times] of seen.failures) console.log(`**lost**: ${times} × ${why}`);
  for (const line of new Set(faults.map((text) => text.replace(/^\[[^\]]*\]\[\d+\]/, ''))))
    console.log(`logged: ${line.slice(0, 300)}`);
  failed ||= seen.failures.size > 0 || faults.length > 0;
  await proxy.stop();
  await chaos.plane.plane.stop();
}
process.exit(failed ? 1 : 0);

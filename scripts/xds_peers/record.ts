/**
 * Records what go-control-plane and a proxy say to each other while resources come, change, are refused and go:
 * `npm run xds:record -- [--proxy envoy] [--out test/integration/testdata/go_control_plane.json]`. Needs Go.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Json } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { delay } from '../../test/support/wait_for.ts';
import { commands } from './context.ts';
import { buildPlane, GoPlane, type Kind } from './go_plane.ts';
import { Relay, type Said } from './relay.ts';
import { assignment, bootstrapFor, edsCluster, listener, routes, type Transport } from './resources.ts';

const { values: args } = parseArgs({
  options: {
    proxy: { type: 'string', default: 'envoy' },
    out: { type: 'string', default: 'test/integration/testdata/go_control_plane.json' },
  },
});

/** Stand for the ports of a replay. */
const blue = 1001;
const green = 1002;

/** Milliseconds without a word after which a stage is over. */
const quiet = 700;

interface Stage {
  readonly name: string;
  readonly said: readonly Said[];
}

type Resources = Partial<Record<Kind, Json[]>>;

function stages(transport: Transport): [string, Resources | undefined][] {
  const base = [edsCluster(transport, 'a'), edsCluster(transport, 'b')];
  const main = listener(transport, 'main', 0);
  const other = listener(transport, 'other', 0, 'c');
  const hosts = [assignment('a', [blue]), assignment('b', [green])];
  const moved = [assignment('a', [green]), assignment('b', [green])];
  const more = [...base, edsCluster(transport, 'c')];
  const bad = edsCluster(transport, 'bad', { dns_refresh_rate: '0s' });
  // State of the world: what was refused is sent again at once, without an end.
  const refusal: [string, Resources][] =
    transport === 'delta'
      ? [
          ['a cluster is refused', { clusters: [...more, bad] }],
          ['the fault is mended', { clusters: more }],
        ]
      : [];
  return [
    ['start', { clusters: base, endpoints: hosts, listeners: [main], routes: [routes('routes', 'a')] }],
    ['endpoints move', { endpoints: moved }],
    ['routes change', { endpoints: hosts, routes: [routes('routes', 'b')] }],
    [
      'a cluster and a listener come',
      { clusters: more, endpoints: [...hosts, assignment('c', [blue])], listeners: [main, other] },
    ],
    ...refusal,
    ['they go', { clusters: base, endpoints: hosts, listeners: [main] }],
    ['the connection is lost', undefined],
  ];
}

async function settled(relay: Relay): Promise<readonly Said[]> {
  for (let seen = -1; seen !== relay.said.length || seen === 0; ) {
    seen = relay.said.length;
    await delay(quiet);
  }
  const { said } = relay;
  relay.said = [];
  return said;
}

async function record(transport: Transport): Promise<Stage[]> {
  const plane = new GoPlane();
  await plane.start();
  const relay = await Relay.start(plane.grpc);
  const [[first, resources], ...later] = stages(transport);
  await plane.set({ version: '1', resources: resources! });
  const config = bootstrapFor(transport, { grpc: relay.port, rest: plane.rest });
  const proxy = await startProxy(config, { command: commands[args.proxy], logLevel: 'error' });
  const recorded: Stage[] = [{ name: first, said: await settled(relay) }];
  let version = 1;
  for (const [name, changed] of later) {
    if (changed === undefined) relay.disconnect();
    else await plane.set({ version: `${++version}`, resources: changed });
    recorded.push({ name, said: await settled(relay) });
  }
  await proxy.stop();
  relay.stop();
  await plane.kill();
  return recorded;
}

buildPlane();
const recording: Record<string, Stage[]> = {};
for (const transport of ['sotw', 'delta'] as const) recording[transport] = await record(transport);
writeFileSync(args.out, `${JSON.stringify(recording, null, 1)}\n`);
for (const [transport, list] of Object.entries(recording)) {
  for (const { name, said } of list) console.log(`${transport}, ${name}: ${said.length} messages`);
}
process.exit(0);

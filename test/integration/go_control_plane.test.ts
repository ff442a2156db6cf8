/**
 * What go-control-plane sent, and what Envoy answered, over ADS: testdata/go_control_plane.json is of `npm run xds:record`, which
 * has Envoy and go-control-plane. Here the same is sent again, and must be answered and served alike.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import type { Json } from '../support/bootstrap.ts';
import { startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { ReplayedPlane, type Said, type Told, toldBy } from '../support/replayed_plane.ts';
import { adsBootstrap } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

interface Stage {
  readonly name: string;
  readonly said: readonly Said[];
}

async function upstream(name: string): Promise<number> {
  const host = await startUpstream({ respond: (_, socket) => respond(socket, { body: name }) });
  running.push(() => host.close());
  return host.port;
}

/** What the listeners `main` and `other` answer after each stage. */
const serves: Readonly<Record<string, readonly [main: string, other: string]>> = {
  start: ['blue', 'none'],
  'endpoints move': ['green', 'none'],
  'routes change': ['green', 'none'],
  'a cluster and a listener come': ['green', 'blue'],
  'a cluster is refused': ['green', 'blue'],
  'the fault is mended': ['green', 'blue'],
  'they go': ['green', 'none'],
  'the connection is lost': ['green', 'none'],
};

/** How a response is answered is told once; wishes that repeat an earlier answer add nothing to it. */
function fresh(told: Record<string, Told>, answered: Set<string>): Record<string, Told> {
  for (const [type, { answers }] of Object.entries(told)) {
    for (const nonce of Object.keys(answers)) if (answered.has(`${type} ${nonce}`)) delete answers[nonce];
  }
  return told;
}

const recording = readFileSync(path.join(import.meta.dirname, 'testdata/go_control_plane.json'), 'utf8');

for (const [transport, apiType] of Object.entries({ sotw: 'GRPC', delta: 'DELTA_GRPC' })) {
  test(`go-control-plane, ${transport}: answered as Envoy answers it, and served`, async () => {
    const ports: Record<string, number> = { 1001: await upstream('blue'), 1002: await upstream('green') };
    const text = recording.replaceAll(/"portValue": (100[12])/g, (_, port: string) => `"portValue": ${ports[port]}`);
    const [first, ...later] = (JSON.parse(text) as Record<string, Stage[]>)[transport];
    const replay = new ReplayedPlane();
    await replay.start();
    running.push(() => replay.plane.stop());
    const config = adsBootstrap(replay.plane.port);
    const dynamic = config['dynamic_resources'] as Record<string, Json>;
    Object.assign(dynamic['ads_config'], { api_type: apiType, set_node_on_first_message_only: true });
    replay.begin(first.said);
    const proxy = await startProxy(config, { concurrency: 2 });
    running.push(() => proxy.stop());
    const portOf = async (listener: string) => {
      const { text } = await proxy.admin('/listeners');
      return Number(text.match(new RegExp(`^${listener}::.*:(\\d+)$`, 'm'))?.[1] ?? 0);
    };
    let otherPort = 0;
    const body = async (port: number) => (await request(port, '/').catch(() => undefined))?.body.toString() ?? 'none';
    let answered = new Set<string>();
    for (const stage of [first, ...later]) {
      if (stage.name === 'the connection is lost') {
        answered = new Set();
        replay.disconnect();
      }
      if (stage !== first) replay.begin(stage.said);
      const byEnvoy = stage.said.filter(({ by }) => by === 'proxy').map(({ message }) => message);
      const expected = fresh(toldBy(byEnvoy), answered);
      const told = () => fresh(replay.told(), answered);
      await waitFor(`what Envoy answers: ${stage.name}`, () => same(told(), expected)).catch(() => {});
      assert.deepEqual(told(), expected, stage.name);
      for (const [type, { answers }] of Object.entries(expected)) {
        for (const nonce of Object.keys(answers)) answered.add(`${type} ${nonce}`);
      }
      const [main, other] = serves[stage.name];
      await waitFor(`${stage.name}: main serves ${main}`, async () => (await body(proxy.port('main'))) === main);
      otherPort = (await portOf('other')) || otherPort;
      await waitFor(`${stage.name}: other serves ${other}`, async () => (await body(otherPort)) === other);
    }
  });
}

function same(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

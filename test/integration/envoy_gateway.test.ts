/**
 * What Envoy Gateway sent, served over delta ADS without it: testdata/envoy_gateway.json is of `npm run xds:gateway -- --proxy
 * envoy --record FILE`, its Gateway API documents are in scripts/envoy_gateway/manifests.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { ManagementServer } from '../../src/control/management_server/management_server.ts';
import { ResourceStore } from '../../src/control/management_server/resource_store.ts';
import { nameOf } from '../../src/xds/decode.ts';
import type { Json } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { type ClientResponse, type RequestOptions, request } from '../support/raw_client.ts';
import { adsBootstrap, types } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const seen: Record<string, string[]> = { blue: [], green: [] };

/** Answers with its name, and notes the heads of its requests. */
async function upstream(name: string): Promise<number> {
  const host = await startUpstream({
    respond: ({ head }, socket) => {
      seen[name].push(head);
      respond(socket, { body: name });
    },
  });
  running.push(() => host.close());
  return host.port;
}

function resources(ports: Readonly<Record<string, number>>): Record<string, Json[]> {
  const text = readFileSync(path.join(import.meta.dirname, 'testdata/envoy_gateway.json'), 'utf8');
  return JSON.parse(text.replaceAll(/"\$([A-Z]+)"/g, (_, name: string) => `${ports[name]}`)) as Record<string, Json[]>;
}

function put(store: ResourceStore, type: string, list: readonly Json[]): void {
  const messages = list.map(
    (json) => fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage,
  );
  store.set(type, new Map(messages.map((message) => [nameOf(message), message])));
}

describe('under what Envoy Gateway sends', () => {
  const store = new ResourceStore();
  let recorded: Record<string, Json[]>;
  let proxy: RunningProxy;
  let ask: (target: string, options?: RequestOptions) => Promise<ClientResponse>;

  before(async () => {
    const ports = { BLUE: await upstream('blue'), GREEN: await upstream('green'), HTTP: 0, TCP: 0, READY: 0 };
    recorded = resources(ports);
    for (const [type, list] of Object.entries(recorded)) put(store, type, list);
    const server = new ManagementServer(store);
    await server.listen('127.0.0.1', 0);
    running.push(() => server.close());
    const config = adsBootstrap(server.port);
    const dynamic = config['dynamic_resources'] as Record<string, Json>;
    dynamic['ads_config']['api_type'] = 'DELTA_GRPC';
    proxy = await startProxy(config, { concurrency: 2 });
    running.push(() => proxy.stop());
    ask = (target, options = {}) => request(proxy.port('default/eg/http'), target, options);
  });

  test('matches by path, header, query parameter and method', async () => {
    assert.equal((await ask('/exact?q=v', { headers: { 'x-a': '1' } })).text, 'green');
    assert.equal((await ask('/exact?q=v')).text, 'blue');
    assert.equal((await ask('/exact?q=v', { method: 'PUT', headers: { 'x-a': '1' } })).text, 'blue');
    assert.equal((await ask('/re/12')).text, 'green');
    assert.equal((await ask('/re/x')).text, 'blue');
  });

  test('filters of routes, and headers that are changed before them', async () => {
    const rewritten = await ask('/rewrite/x', { headers: { 'x-drop': '1' } });
    assert.equal(rewritten.get('x-set'), 's');
    const head = seen['blue'].at(-1)!;
    assert.match(head, /^GET \/new\/x HTTP/);
    assert.match(head, /\r\nhost: other\.example\r\n/i);
    assert.match(head, /\r\nx-added: yes\r\n/i);
    assert.match(head, /\r\nx-early: e\r\n/i);
    assert.doesNotMatch(head, /x-drop/i);
    const redirect = await ask('/redirect');
    assert.equal(redirect.status, 301);
    assert.equal(redirect.get('location'), 'https://secure.example/redirect');
    const direct = await ask('/direct');
    assert.deepEqual([direct.status, direct.text], [418, 'teapot']);
  });

  test('mirrors, and weights of localities', async () => {
    seen['green'].length = 0;
    assert.equal((await ask('/mirror')).text, 'blue');
    await waitFor('the mirrored request', () => seen['green'].some((head) => head.startsWith('GET /mirror ')));
    const bodies: string[] = [];
    for (let i = 0; i < 80; i++) bodies.push((await ask('/weighted')).text);
    const green = bodies.filter((body) => body === 'green').length;
    assert.ok(green > 4 && green < 40, `${green} of 80 with a share of a quarter`);
  });

  test('TCP routes', async () => {
    assert.equal((await request(proxy.port('default/eg/tcp'), '/')).text, 'green');
  });

  test("the listener that Kubernetes' readiness probe asks", async () => {
    const port = proxy.port('envoy-gateway-proxy-ready-0.0.0.0-19003');
    assert.equal((await request(port, '/ready')).status, 200);
    assert.equal((await request(port, '/other')).status, 500);
  });

  test('a backend that moves, and a listener that goes', async () => {
    const name = 'httproute/default/web/rule/8';
    const green = recorded[types.endpoints].find((each) => each['cluster_name'] === 'httproute/default/web/rule/0')!;
    const moved = recorded[types.endpoints].map((each) =>
      each['cluster_name'] === name ? { ...green, cluster_name: name } : each,
    );
    put(store, types.endpoints, moved);
    await waitFor('the other backend', async () => (await ask('/any')).text === 'green');
    const tcp = proxy.port('default/eg/tcp');
    const without = recorded[types.listener].filter((each) => each['name'] !== 'default/eg/tcp');
    put(store, types.listener, without);
    await waitFor('the listener to go', () =>
      request(tcp, '/').then(
        () => false,
        () => true,
      ),
    );
    for (const each of ['cluster_manager.cds', 'listener_manager.lds'])
      assert.equal(await proxy.stat(`${each}.update_rejected`), 0, each);
  });
});

/** VHDS: virtual hosts that a control plane pushes, and those it is asked for when a request needs one (the on_demand filter). */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { httpListener, type Json, router } from '../support/bootstrap.ts';
import { ControlPlane, type DeltaRequest, type PlaneStream } from '../support/control_plane.ts';
import { runToEnd, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, types } from '../support/resource_server.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const hostType = 'envoy.config.route.v3.VirtualHost';
const ads = { ads: {}, resource_api_version: 'V3' };
const onDemand: Json = {
  name: 'envoy.filters.http.on_demand',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand' },
};

function host(name: string, domains: string[], body = name): Json {
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
  return { name, domains, routes };
}

function message(type: string, json: Json): AnyMessage {
  return fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage;
}

/** Serves one listener and one route configuration over delta ADS; virtual hosts by what the test says. */
class Plane {
  plane!: ControlPlane;
  readonly asked: string[][] = [];
  readonly refused: string[] = [];
  stream: PlaneStream | undefined;
  /** Known hosts by alias. */
  readonly hosts = new Map<string, Json>();
  private nonce = 0;
  private readonly filters: Json[];

  constructor(filters: Json[]) {
    this.filters = filters;
  }

  async start(): Promise<void> {
    this.plane = await ControlPlane.start((stream, asked) => this.onRequest(stream, asked as DeltaRequest));
    running.push(() => this.plane.stop());
  }

  send(typeName: string, resources: { name: string; aliases?: string[]; json?: Json }[], removed: string[] = []): void {
    this.stream!.respondDelta({
      typeUrl: `type.googleapis.com/${typeName}`,
      nonce: String(++this.nonce),
      added: resources.map(({ name, aliases = [], json }) => ({
        name,
        version: String(this.nonce),
        aliases,
        message: json && message(typeName, json),
      })),
      removed,
    });
  }

  private onRequest(stream: PlaneStream, asked: DeltaRequest): void {
    this.stream = stream;
    const typeName = asked.typeUrl.slice(asked.typeUrl.lastIndexOf('/') + 1);
    if (asked.errorDetail !== undefined) this.refused.push(asked.errorDetail.message);
    if (typeName === hostType) this.onHosts(asked);
    else if (asked.responseNonce === '') this.first(typeName);
  }

  private first(typeName: string): void {
    const rds = { route_config_name: 'table', config_source: ads };
    const listener = httpListener('l', [], { route_config: undefined, rds, http_filters: this.filters });
    const table = { name: 'table', virtual_hosts: [host('fixed', ['fixed.test'])], vhds: { config_source: ads } };
    if (typeName === types.cluster) this.send(typeName, []);
    else if (typeName === types.listener)
      this.send(typeName, [{ name: 'l', json: JSON.parse(JSON.stringify(listener)) as Json }]);
    else if (typeName === types.routes) this.send(typeName, [{ name: 'table', json: table }]);
  }

  private onHosts(asked: DeltaRequest): void {
    const names = asked.resourceNamesSubscribe;
    if (asked.responseNonce === '' && asked.resourceNamesUnsubscribe.length === 0) this.asked.push([...names]);
    if (asked.responseNonce === '' && names.length === 0 && asked.resourceNamesUnsubscribe.length === 0) {
      this.send(hostType, [{ name: 'table/pushed', json: host('pushed', ['pushed.test']) }]);
    }
    for (const name of names) {
      const known = this.hosts.get(name);
      if (known === undefined) this.send(hostType, [{ name, aliases: [name] }]);
      else this.send(hostType, [{ name: `table/${String(known['name'])}`, aliases: [name], json: known }]);
    }
  }
}

function deltaBootstrap(port: number): Json {
  const config = adsBootstrap(port);
  const dynamic = config['dynamic_resources'] as Json;
  const ads_config = { ...(dynamic['ads_config'] as Json), api_type: 'DELTA_GRPC' };
  return { ...config, dynamic_resources: { ...dynamic, ads_config } };
}

test('virtual hosts are pushed, and a request for one that is not there waits until it comes', async () => {
  const plane = new Plane([onDemand, router]);
  await plane.start();
  plane.hosts.set('table/wanted.test', host('wanted', ['wanted.test', 'other.test']));
  const proxy = await startProxy(deltaBootstrap(plane.plane.port), { concurrency: 2 });
  running.push(() => proxy.stop());
  const ask = async (name: string) => {
    const { status, body } = await request(proxy.port('l'), '/', { host: name });
    return status === 200 ? String(body) : String(status);
  };
  assert.equal(await ask('fixed.test'), 'fixed');
  assert.equal(await ask('pushed.test'), 'pushed', 'it was there when the listener began');
  assert.deepEqual(plane.asked, [[]], 'first everything there is');
  assert.equal(await ask('Wanted.test'), 'wanted');
  assert.deepEqual(plane.asked.slice(1), [['table/wanted.test']]);
  for (let i = 0; i < 6; i++) assert.equal(await ask('wanted.test'), 'wanted');
  assert.equal(plane.asked.length, 2, 'and not again');

  // Nobody knows this one, until somebody does.
  assert.equal(await ask('new.test'), '404');
  plane.hosts.set('table/new.test', host('new', ['new.test']));
  assert.deepEqual(await Promise.all([ask('new.test'), ask('new.test'), ask('new.test')]), ['new', 'new', 'new']);

  plane.send(hostType, [{ name: 'table/pushed', json: host('pushed', ['pushed.test'], 'changed') }]);
  await waitFor('the change', async () => (await ask('pushed.test')) === 'changed');
  plane.send(hostType, [{ name: 'table/bad', json: host('bad', ['fixed.test']) }]);
  await waitFor('the refusal', () => plane.refused.length === 1);
  assert.equal(plane.refused[0], "table/bad: domain 'fixed.test' is that of virtual host 'fixed' already");
  assert.equal(await ask('fixed.test'), 'fixed');
  plane.hosts.delete('table/wanted.test');
  plane.send(hostType, [], ['table/wanted']);
  await waitFor('the host to go', async () => (await ask('wanted.test')) === '404');
  plane.hosts.set('table/wanted.test', host('wanted', ['wanted.test'], 'back'));
  await waitFor('its return', async () => (await ask('wanted.test')) === 'back');
  const dump = (await proxy.admin('/config_dump?resource=dynamic_route_configs')).text;
  for (const name of ['fixed', 'pushed', 'wanted', 'new']) assert.ok(dump.includes(`"name": "${name}"`), name);
  assert.ok((await proxy.stat('http.ingress.vhds.table.config_reload')) >= 5);
  assert.equal(await proxy.stat('http.ingress.vhds.table.update_rejected'), 1);
});

test('what is asked for is asked for again of a control plane that comes back; a body waits with its request', async () => {
  const plane = new Plane([onDemand, router]);
  await plane.start();
  plane.hosts.set('table/a.test', host('a', ['a.test']));
  plane.hosts.set('table/b.test', host('b', ['b.test']));
  const proxy = await startProxy(deltaBootstrap(plane.plane.port));
  running.push(() => proxy.stop());
  const post = (name: string) => request(proxy.port('l'), '/', { method: 'POST', host: name, body: 'x'.repeat(1000) });
  assert.equal(String((await post('a.test')).body), 'a');
  plane.stream!.end(14);
  await waitFor('the second stream', () => plane.asked.length === 3);
  assert.deepEqual(plane.asked[2].sort(), ['*', 'table/a.test']);
  assert.equal(String((await post('b.test')).body), 'b');
});

test('without the filter nobody waits', async () => {
  const plane = new Plane([router]);
  await plane.start();
  plane.hosts.set('table/wanted.test', host('wanted', ['wanted.test']));
  const proxy = await startProxy(deltaBootstrap(plane.plane.port));
  running.push(() => proxy.stop());
  assert.equal((await request(proxy.port('l'), '/', { host: 'wanted.test' })).status, 404);
  assert.equal((await request(proxy.port('l'), '/', { host: 'pushed.test' })).status, 200);
  assert.deepEqual(plane.asked, [[]]);
});

test('refused at its place: VHDS for routes in the listener', async () => {
  const inline = { name: 't', virtual_hosts: [], vhds: { config_source: ads } };
  const listener = httpListener('l', [], { route_config: inline });
  const config = deltaBootstrap(1);
  const { output } = await runToEnd({ ...config, static_resources: { listeners: [listener] } });
  assert.match(output, /error: virtual hosts are discovered for routes that come by rds only/);
  assert.match(output, /filters\[0\]\.typed_config\.route_config\.vhds/);
});

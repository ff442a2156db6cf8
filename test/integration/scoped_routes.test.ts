/** Routes by scope: which of several tables a request gets, as its headers say; written in the listener and by SRDS. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bootstrap, httpListener, type Json } from '../support/bootstrap.ts';
import { type RunningProxy, runToEnd, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const ads = { ads: {}, resource_api_version: 'V3' };

function table(name: string, body = name): Json {
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
  return { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
}

function scope(name: string, keys: string[], more: Json = { route_configuration_name: name }): Json {
  return { name, key: { fragments: keys.map((string_key) => ({ string_key })) }, ...more };
}

const builder = {
  fragments: [
    {
      header_value_extractor: {
        name: 'X-Place',
        element_separator: ';',
        element: { key: 'vip', separator: '=' },
      },
    },
    { header_value_extractor: { name: 'x-tier', element_separator: ',', index: 1 } },
  ],
};

function scopedListener(scopes: Json): Json {
  const scoped_routes = { name: 'scopes', scope_key_builder: builder, ...scopes };
  return JSON.parse(JSON.stringify(httpListener('l', [], { route_config: undefined, scoped_routes }))) as Json;
}

async function ask(proxy: RunningProxy, place: string, tier: string): Promise<string> {
  const { status, body } = await request(proxy.port('l'), '/', {
    headers: { 'x-place': place, 'x-tier': tier },
  });
  return status === 200 ? String(body) : String(status);
}

test('scopes in the listener, with routes of their own and discovered ones', async () => {
  const list = [
    scope('one', ['10.0.0.1', 'gold'], { route_configuration: table('one') }),
    scope('two', ['10.0.0.2', 'gold'], { route_configuration: table('two') }),
  ];
  const listener = scopedListener({ scoped_route_configurations_list: { scoped_route_configurations: list } });
  const proxy = await startProxy(bootstrap([listener], []));
  running.push(() => proxy.stop());
  assert.equal(await ask(proxy, 'a=b;vip=10.0.0.1;c', 'x,gold'), 'one');
  assert.equal(await ask(proxy, 'vip=10.0.0.2', 'x,gold,y'), 'two');
  assert.equal(await ask(proxy, 'vip=10.0.0.2', 'x,silver'), '404');
  assert.equal(await ask(proxy, 'vip=10.0.0.2', 'gold'), '404');
  assert.equal(await ask(proxy, 'vip', 'x,gold'), '404');
  assert.equal((await request(proxy.port('l'), '/')).status, 404);
  const dump = (await proxy.admin('/config_dump?resource=inline_scoped_route_configs')).text;
  assert.match(dump, /"name": "scopes"[\s\S]*"name": "one"[\s\S]*"name": "two"/);
});

test('SRDS: scopes come, change and go; a conflict is refused', async () => {
  const server = new ResourceServer();
  await server.start();
  running.push(() => server.stop());
  server.set(types.cluster, []);
  server.set(types.scope, [scope('one', ['a', 'g'])]);
  server.set(types.routes, [table('one'), table('two'), table('three')]);
  const scopes = { rds_config_source: ads, scoped_rds: { scoped_rds_config_source: ads } };
  server.set(types.listener, [scopedListener(scopes)]);
  const proxy = await startProxy(adsBootstrap(server.port), { concurrency: 2 });
  running.push(() => proxy.stop());
  assert.equal(await ask(proxy, 'vip=a', ',g'), 'one');
  server.set(types.scope, [scope('one', ['a', 'g']), scope('two', ['b', 'g'])]);
  await waitFor('the second scope', async () => (await ask(proxy, 'vip=b', ',g')) === 'two');
  assert.equal(await proxy.stat('http.ingress.scoped_rds.scopes.all_scopes'), 2);
  server.set(types.scope, [scope('one', ['a', 'g']), scope('two', ['a', 'g'])]);
  await waitFor('the refusal', () =>
    server.refused.some((text) => /scope key conflict found, first scope is 'one'/.test(text)),
  );
  assert.equal(await ask(proxy, 'vip=b', ',g'), 'two');
  server.set(types.scope, [scope('two', ['b', 'g'], { route_configuration_name: 'three' })]);
  await waitFor('the change', async () => (await ask(proxy, 'vip=b', ',g')) === 'three');
  await waitFor('the first to go', async () => (await ask(proxy, 'vip=a', ',g')) === '404');
  server.set(types.routes, [table('three', 'new')]);
  await waitFor('new routes', async () => (await ask(proxy, 'vip=b', ',g')) === 'new');
  const dump = (await proxy.admin('/config_dump?resource=dynamic_scoped_route_configs')).text;
  assert.match(dump, /"version_info": "4"/);
  assert.equal(await proxy.stat('http.ingress.scoped_rds.scopes.update_rejected'), 1);
});

test('refused at its place: a scope without routes', async () => {
  const list = { scoped_route_configurations: [scope('one', ['a'], {})] };
  const listener = scopedListener({ scoped_route_configurations_list: list });
  const { output } = await runToEnd(bootstrap([listener], []), ['--mode', 'validate']);
  assert.match(output, /either route_configuration or route_configuration_name must be set/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, encode, messageType, registry } from '../api/registry.ts';
import { Slices } from '../common/slices.ts';
import { compileRouteConfiguration } from '../router/route_table.ts';
import { compileRoutes } from './compile_routes.ts';
import type { ExtensionLoader } from './extension_loader.ts';

const type = 'envoy.config.route.v3.RouteConfiguration';
const loader = { load: async () => {}, compileRoutes: compileRouteConfiguration } as unknown as ExtensionLoader;

function table(clusters: Record<string, string>, more: object = {}): Uint8Array {
  const virtual_hosts = Object.entries(clusters).map(([name, cluster]) => ({
    name,
    domains: [name],
    routes: [
      { match: { prefix: '/a' }, redirect: { path_redirect: '/b' } },
      { match: { prefix: '/' }, route: { cluster } },
    ],
  }));
  return encode(
    type,
    fromJson(messageType(type), { virtual_hosts, ...more } as never, { registry }) as unknown as AnyMessage,
  );
}

test('virtual hosts that stayed are taken over; what they share makes all of them new', async () => {
  const compile = (bytes: Uint8Array, former?: Awaited<ReturnType<typeof compileRoutes>>) =>
    compileRoutes(bytes, former, loader, new Slices(2));
  const first = await compile(table({ a: 'one', b: 'two', c: 'three' }));
  const second = await compile(table({ c: 'three', a: 'one', b: 'other', d: 'four' }), first);
  const before = new Set(first.hosts.values());
  assert.equal([...second.hosts.values()].filter((host) => before.has(host)).length, 2);
  const head = (authority: string) => ({
    authority,
    path: '/x',
    method: 'GET',
    scheme: 'http',
    headers: { get: () => undefined },
  });
  const cluster = (host: string) => second.table.route(head(host) as never, 0)?.selectCluster(head(host) as never);
  assert.deepEqual(['a', 'b', 'c', 'd', 'e'].map(cluster), ['one', 'other', 'three', 'four', undefined]);
  const third = await compile(table({ a: 'one' }, { request_headers_to_remove: ['x-a'] }), second);
  assert.ok(![...second.hosts.values()].includes([...third.hosts.values()][0]));
});

test('a word on filters in any route is known of the table', async () => {
  const typed_per_filter_config = {
    f: { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
  };
  const route = { match: { prefix: '/' }, route: { cluster: 'a' }, typed_per_filter_config };
  const json = { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }] };
  const bytes = encode(type, fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage);
  assert.equal((await compileRoutes(bytes, undefined, loader, new Slices(2))).table.switchesFilters, true);
  assert.equal(
    (await compileRoutes(table({ a: 'one' }), undefined, loader, new Slices(2))).table.switchesFilters,
    false,
  );
});

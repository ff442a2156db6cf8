/** Routing through the real proxy: virtual hosts, matches, rewrites, header rules, redirects, direct responses, weights, local replies. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, route, router } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';

let proxy: RunningProxy;
let a: Upstream;
let b: Upstream;
let port: number;

const add = (key: string, value: string, more: Json = {}): Json => ({ header: { key, value }, ...more });
const answer = (status: number, body?: string): Json => ({
  status,
  ...(body === undefined ? {} : { body: { inline_string: body } }),
});

const routes: Json[] = [
  { match: { path: '/direct' }, direct_response: answer(418, 'teapot') },
  { match: { path: '/empty' }, direct_response: answer(200) },
  { match: { path: '/old' }, redirect: { path_redirect: '/new' } },
  { match: { prefix: '/moved/' }, redirect: { prefix_rewrite: '/to/', host_redirect: 'other.test', response_code: 'FOUND' } },
  { match: { prefix: '/secure' }, redirect: { https_redirect: true, strip_query: true } },
  { match: { prefix: '/api/' }, route: { cluster: 'a', prefix_rewrite: '/' } },
  { match: { safe_regex: { regex: '/users/(\\d+)' } }, route: { cluster: 'a',
    regex_rewrite: { pattern: { regex: '^/users/(\\d+)$' }, substitution: '/u?id=\\1' } } },
  { match: { prefix: '/host' }, route: { cluster: 'a', host_rewrite_literal: 'inside.test' } },
  { match: { prefix: '/by-header', headers: [{ name: 'x-to', string_match: { exact: 'b' } }] }, route: { cluster: 'b' } },
  { match: { prefix: '/by-header', headers: [{ name: 'x-absent', present_match: true, invert_match: true }] }, route: { cluster: 'a' } },
  { match: { prefix: '/by-header' }, direct_response: answer(400) },
  { match: { prefix: '/CASE', case_sensitive: false }, direct_response: answer(200, 'any case') },
  { match: { prefix: '/split' }, route: { weighted_clusters: { clusters: [{ name: 'a', weight: 75 }, { name: 'b', weight: 25 }] } } },
  { ...route('/headers', 'a'), name: 'headers',
    request_headers_to_add: [add('x-client', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'), add('x-set', 'new', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
    request_headers_to_remove: ['x-secret'],
    response_headers_to_add: [add('x-route', '%ROUTE_NAME%'), add('x-host', '%UPSTREAM_HOST%')],
    response_headers_to_remove: ['x-powered-by'] },
  route('/nobody', 'empty'),
  { match: { prefix: '/only-a' }, route: { cluster: 'a' } },
]; // biome-ignore format: one route a line

before(async () => {
  a = await startUpstream();
  b = await startUpstream({ respond: (_request, socket) => respond(socket, { body: 'b' }) });
  const manager = {
    route_config: {
      virtual_hosts: [
        { name: 'suffix', domains: ['*.test.org'], routes: [{ match: { prefix: '/' }, direct_response: answer(200, 'suffix') }] },
        { name: 'exact', domains: ['exact.test.org', 'exact.test.org:8080'],
          routes: [{ match: { prefix: '/' }, direct_response: answer(200, 'exact') }] },
        { name: 'prefix', domains: ['www.*'], routes: [{ match: { prefix: '/' }, direct_response: answer(200, 'prefix') }] },
        { name: 'main', domains: ['test'], routes, response_headers_to_add: [add('x-vhost', 'main')] },
      ],
    },
    http_filters: [router],
  }; // biome-ignore format: one virtual host a line
  const clusters = [cluster('a', [a.port]), cluster('b', [b.port]), cluster('empty', [])];
  proxy = await startProxy(bootstrap([httpListener('main', [], manager)], clusters));
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await a?.close();
  await b?.close();
});

test('direct responses', async () => {
  const teapot = await request(port, '/direct?x=1');
  assert.equal(teapot.startLine, 'HTTP/1.1 418 Unknown');
  assert.equal(teapot.text, 'teapot');
  assert.equal(teapot.get('content-type'), 'text/plain');
  assert.equal(teapot.get('x-vhost'), 'main');
  const empty = await request(port, '/empty');
  assert.equal(empty.get('content-length'), '0');
  assert.equal(empty.get('content-type'), undefined);
});

test('a HEAD of a direct response keeps the length and sends no body', async () => {
  const client = await RawClient.connect(port);
  client.send(requestBytes('/direct', { method: 'HEAD' }));
  const response = await client.response('HEAD');
  assert.equal(response.get('content-length'), '6');
  client.send(requestBytes('/empty'));
  assert.equal((await client.response()).status, 200);
  client.destroy();
});

test('redirects', async () => {
  const location = async (path: string): Promise<[number, string | undefined]> => {
    const response = await request(port, path);
    assert.equal(response.text, '');
    return [response.status, response.get('location')];
  };
  assert.deepEqual(await location('/old?q=1'), [301, 'http://test/new?q=1']);
  assert.deepEqual(await location('/moved/x?q=1'), [302, 'http://other.test/to/x?q=1']);
  assert.deepEqual(await location('/secure?q=1'), [301, 'https://test/secure']);
});

test('rewrites', async () => {
  assert.equal((await request(port, '/api/x/y?q=1')).text, 'GET /x/y?q=1\n');
  assert.equal(a.requests.at(-1)?.get('x-envoy-original-path'), '/api/x/y?q=1');
  assert.equal((await request(port, '/users/42')).text, 'GET /u?id=42\n');
  assert.equal((await request(port, '/users/none')).status, 404);
  await request(port, '/host');
  assert.equal(a.requests.at(-1)?.get('host'), 'inside.test');
});

test('header matches', async () => {
  assert.equal((await request(port, '/by-header', { headers: { 'x-to': 'b' } })).text, 'b');
  assert.equal((await request(port, '/by-header', { headers: { 'x-to': 'c' } })).text, 'GET /by-header\n');
  assert.equal((await request(port, '/by-header', { headers: { 'x-absent': '' } })).status, 400);
  assert.equal((await request(port, '/case/x')).text, 'any case');
});

test('virtual hosts: exact before suffix before prefix, and none', async () => {
  const at = async (host: string): Promise<string | number> => {
    const response = await request(port, '/', { host });
    return response.status === 200 ? response.text : response.status;
  };
  assert.equal(await at('exact.test.org'), 'exact');
  assert.equal(await at('EXACT.test.org:8080'), 'exact');
  assert.equal(await at('x.test.org'), 'suffix');
  assert.equal(await at('www.test.org'), 'suffix');
  assert.equal(await at('www.test'), 'prefix');
  assert.equal(await at('nowhere'), 404);
});

test('headers added and removed, most specific first', async () => {
  a.script = { respond: (_request, socket) => respond(socket, { headers: { 'x-powered-by': 'php', 'x-kept': '1' } }) };
  const response = await request(port, '/headers', { headers: { 'x-secret': '1', 'x-set': 'old' } });
  a.script = {};
  const seen = a.requests.at(-1);
  assert.equal(seen?.get('x-client'), '127.0.0.1');
  assert.deepEqual(
    seen?.headers.filter(([name]) => name === 'x-set').map(([, value]) => value),
    ['new'],
  );
  assert.equal(seen?.get('x-secret'), undefined);
  assert.equal(response.get('x-powered-by'), undefined);
  assert.equal(response.get('x-kept'), '1');
  assert.equal(response.get('x-route'), 'headers');
  assert.equal(response.get('x-host'), `127.0.0.1:${a.port}`);
  assert.equal(response.get('x-vhost'), 'main');
});

test('weighted clusters', async () => {
  const client = await RawClient.connect(port);
  let toB = 0;
  for (let i = 0; i < 400; i++) {
    client.send(requestBytes('/split'));
    if ((await client.response()).text === 'b') toB++;
  }
  client.destroy();
  assert.ok(toB > 50 && toB < 160, `${toB} of 400 went to the cluster with a quarter of the weight`);
});

test('no route is 404 with an empty body', async () => {
  const response = await request(port, '/none');
  assert.equal(response.status, 404);
  assert.equal(response.text, '');
  assert.equal(response.get('content-length'), '0');
});

test('a cluster without hosts is 503', async () => {
  const response = await request(port, '/nobody');
  assert.equal(response.status, 503);
  assert.equal(response.text, 'no healthy upstream');
});

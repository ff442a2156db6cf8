/** What must not start: every error of a file at once, each with its place, what is wrong and what was meant; exit code 1. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import {
  bootstrap,
  cluster,
  httpListener,
  type Json,
  listener,
  loopback,
  route,
  router,
} from '../support/bootstrap.ts';
import { isEnvoy, runToEnd } from '../support/proxy.ts';

const skip = isEnvoy && 'Envoy words its errors otherwise';
const validate = ['--mode', 'validate'];

const good = (): Json => bootstrap([httpListener('main', [route('/', 'a')])], [cluster('a', [1])]);

/** The line of a YAML text that holds this. */
const lineOf = (text: string, part: string): number => text.slice(0, text.indexOf(part)).split('\n').length;

test('a good file validates', { skip }, async () => {
  const { code, output, file } = await runToEnd(good(), validate);
  assert.equal(code, 0, output);
  assert.match(output, new RegExp(`configuration '${file}' OK`));
});

const base = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: backend, timeout: 1s}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: backend
    type: STATIC
    connect_timeout: 1s
`;

interface Mistake {
  name: string;
  /** What of the good file is replaced by what. */
  from: string;
  to: string;
  /** Where the error is shown to be. */
  at?: string;
  expected: RegExp[];
}

const mistakes: Mistake[] = [
  { name: 'YAML that is none', from: 'clusters:\n', to: 'clusters: [\n', expected: [] },
  { name: 'a misspelt field', from: 'stat_prefix: ingress', to: 'stat_prefx: ingress', at: 'stat_prefx', expected: [/stat_prefx/, /did you mean.*stat_prefix/i] },
  { name: 'a misspelt enum', from: 'type: STATIC', to: 'type: STATIK', at: 'STATIK', expected: [/STATIK/, /did you mean.*STATIC/i] },
  { name: 'a misspelt type', from: 'router.v3.Router', to: 'router.v3.Ruoter', at: '"@type": type.googleapis.com/envoy.extensions.filters.http', expected: [/Ruoter/, /did you mean.*Router/i] },
  { name: 'a route to no cluster', from: 'cluster: backend', to: 'cluster: backnd', at: 'backnd', expected: [/backnd/, /did you mean.*backend/i] },
  { name: 'a number that is none', from: 'connect_timeout: 1s', to: 'connect_timeout: soon', at: 'soon', expected: [/connect_timeout/] },
  { name: 'a rule of the schema', from: 'stat_prefix: ingress', to: "stat_prefix: ''", at: "stat_prefix: ''", expected: [/stat_prefix/] },
  { name: 'a port out of range', from: 'port_value: 0}}\n    filter_chains', to: 'port_value: 99999}}\n    filter_chains', at: '99999', expected: [/port_value/, /65535/] },
  { name: 'a bad regex', from: 'match: {prefix: /}', to: 'match: {safe_regex: {regex: "/a("}}', at: 'match: {safe_regex', expected: [/\/a\(/] },
  { name: 'a filter that is known and not supported', from: 'http_filters:\n', to: `http_filters:
          - name: lua
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}
`, at: 'lua.v3.Lua', expected: [/lua/, /not supported/] },
  { name: 'a duplicate cluster', from: '  clusters:\n', to: '  clusters:\n  - {name: backend, type: STATIC, connect_timeout: 2s}\n', expected: [/duplicate cluster/i, /backend/] },
]; // biome-ignore format: a table

for (const { name, from, to, at, expected } of mistakes) {
  test(`${name} is named with its place`, { skip }, async () => {
    const text = base.replace(from, to);
    assert.notEqual(text, base);
    const { code, output, file } = await runToEnd(text, validate);
    assert.equal(code, 1, output);
    const line = at === undefined ? '\\d+' : String(lineOf(text, at));
    assert.match(output, new RegExp(`${file}:${line}:\\d+`));
    for (const part of expected) assert.match(output, part);
    assert.doesNotMatch(output, /\n\s+at .*\.ts:/, 'no stack trace');
  });
}

test('every mistake is told at once', { skip }, async () => {
  const text = base
    .replace('stat_prefix: ingress', 'stat_prefx: ingress')
    .replace('type: STATIC', 'type: STATIK')
    .replace('cluster: backend,', 'cluster: backnd,');
  const { code, output } = await runToEnd(text, validate);
  assert.equal(code, 1);
  for (const wrong of [/stat_prefx/, /STATIK/, /backnd/]) assert.match(output, wrong);
});

test('a file that is not there', { skip }, async () => {
  const { code, output, file } = await runToEnd(undefined, validate);
  assert.equal(code, 1);
  assert.ok(output.includes(file), output);
  assert.doesNotMatch(output, /\n\s+at .*\.ts:/);
});

test('a taken port', async () => {
  const taken = net.createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as net.AddressInfo;
  const hcm = (httpListener('main', [route('/', 'a')])['filter_chains'] as { filters: Json[] }[])[0].filters[0];
  const config = bootstrap([listener('main', hcm, { address: loopback(port) })], [cluster('a', [1])]);
  const { code, output } = await runToEnd(config);
  taken.close();
  assert.equal(code, 1, output);
  assert.match(output, new RegExp(`127\\.0\\.0\\.1:${port}`));
  assert.match(output, /in use/i);
});

test('an unknown flag', async () => {
  const { code, output } = await runToEnd(good(), ['--no-such-flag']);
  assert.equal(code, 1);
  assert.match(output, /no-such-flag/);
});

test('validating a front-proxy file is quick', { skip }, async () => {
  const routes = Array.from({ length: 100 }, (_, i) => route(`/r${i}/`, 'a'));
  const config = bootstrap([httpListener('main', routes, { http_filters: [router] })], [cluster('a', [1])]);
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const started = performance.now();
    const { code, output } = await runToEnd(config, validate);
    times.push(performance.now() - started);
    assert.equal(code, 0, output);
  }
  // 400 ms is the goal on a quiet machine; twice that still tells a slow start from a busy one.
  assert.ok(Math.min(...times) < 800, times.map(Math.round).join(', '));
});

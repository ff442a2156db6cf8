import assert from 'node:assert/strict';
import test from 'node:test';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { findMessageType, messageType } from '../api/registry.ts';
import { rowOf } from './check_supported.ts';
import { errorsOf, frontProxy } from './load.testing.ts';
import { supported } from './supported.ts';

test('rows name messages and fields that exist', () => {
  for (const [key, [honoured, harmless = '']] of Object.entries(supported)) {
    const type = typeOfKey(key);
    assert.ok(type !== undefined, `${key} is no message`);
    const names = new Set(type.fields.map((field) => field.name));
    for (const token of `${honoured} ${harmless}`.split(' ')) {
      const [name, values] = token.split('=');
      if (name === '' || name === '*') continue;
      assert.ok(names.has(name), `${key} has no field ${name}`);
      const field: DescField = type.fields.find((candidate) => candidate.name === name)!;
      if (field.enum === undefined) continue;
      for (const value of values?.split('|') ?? []) {
        assert.ok(
          field.enum.values.some((candidate) => candidate.name === value),
          `${key}.${name} has no value ${value}`,
        );
      }
    }
  }
});

test('every message a supported field leads to has a row, and no row is left over', () => {
  const seen = new Set<string>();
  const used = new Set<string>();
  const missing: string[] = [];
  visit(messageType('envoy.config.bootstrap.v3.Bootstrap'), undefined);
  // What an Any may hold.
  for (const key of Object.keys(supported)) {
    const type = findMessageType(`envoy.${key}`) ?? findMessageType(key);
    const mayBeInAny = /^(?:extensions|xds|google)\./.test(key) || key === 'config.route.v3.FilterConfig';
    if (mayBeInAny && type?.parent === undefined && type !== undefined) visit(type, undefined);
  }
  assert.deepEqual(missing, []);
  assert.deepEqual(
    Object.keys(supported).filter((key) => !used.has(key)),
    [],
  );

  function visit(type: DescMessage, parent: string | undefined): void {
    if (type.typeName === 'google.protobuf.StringValue') used.add(type.typeName);
    if (type.typeName.startsWith('google.protobuf.') || seen.has(`${type.typeName} ${parent}`)) return;
    seen.add(`${type.typeName} ${parent}`);
    for (const key of [parent, type.typeName]) used.add(key?.replace(/^envoy\./, '') ?? '');
    const row = rowOf(type.typeName, parent);
    if (row === 'all') return;
    if (row === undefined) {
      missing.push(`${type.typeName} (${parent})`);
      return;
    }
    for (const field of type.fields) {
      if (row.get(field.name)?.harmless === false && field.message !== undefined) {
        visit(field.message, `${type.typeName}.${field.name}`);
      }
    }
  }
});

test('what is not honoured yet is refused by its name, at its name', () => {
  const lua =
    "[{ name: l, typed_config: { '@type': t/envoy.extensions.filters.http.lua.v3.Lua } }, { name: envoy.router }]";
  const [error] = errorsOf(frontProxy({ filters: lua }), true);
  assert.equal(
    error,
    `11:62: error: envoy.filters.http.lua is not supported yet
  11 |           http_filters: [{ name: l, typed_config: { '@type': t/envoy.extensions.filters.http.lua.v3.Lua } }, { name: envoy.router }]
     |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  at static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config`,
  );
  const reasons = (yaml: string) => errorsOf(yaml).map((text) => text.split('\n')[0].replace(/^.*error: /, ''));
  assert.deepEqual(reasons(frontProxy({ manager: 'codec_type: HTTP3' })), ['codec_type HTTP3 is not supported yet']);
  assert.deepEqual(reasons(frontProxy({ cluster: 'lb_policy: MAGLEV' })), ['lb_policy MAGLEV is not supported yet']);
  assert.deepEqual(reasons(frontProxy({ cluster: 'outlier_detection: {}' })), [
    "'outlier_detection' is not supported yet",
  ]);
  const tls =
    "transport_socket: { name: t, typed_config: { '@type': t/envoy.extensions.transport_sockets.alts.v3.Alts, handshaker_service: a } }";
  assert.deepEqual(reasons(frontProxy({ cluster: tls })), ['envoy.transport_sockets.alts is not supported yet']);
});

test('what changes nothing is taken silently', () => {
  const raw =
    "transport_socket: { name: t, typed_config: { '@type': t/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer } }";
  assert.deepEqual(errorsOf(frontProxy({ cluster: raw, manager: 'generate_request_id: false' })), []);
  assert.deepEqual(errorsOf(frontProxy({ cluster: 'metadata: { filter_metadata: { a: { b: c } } }' })), []);
});

function typeOfKey(key: string): DescMessage | undefined {
  const type = findMessageType(`envoy.${key}`) ?? findMessageType(key);
  if (type !== undefined) return type;
  const dot = key.lastIndexOf('.');
  return findMessageType(`envoy.${key.slice(0, dot)}`)?.fields.find((field) => field.name === key.slice(dot + 1))
    ?.message;
}

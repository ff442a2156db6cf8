import assert from 'node:assert/strict';
import test from 'node:test';
import { loadBootstrap } from './load.ts';
import { rootCauses } from './root_causes.ts';

test('each mistake once: repeats, a file that is missing, a field that is written wrong', () => {
  const { errors } = loadBootstrap({
    yaml: `static_resources:
  listeners:
  - adress: { pipe: { path: /x } }
    filter_chains: [{}]
  clusters:
  - name: c
    transport_socket:
      name: tls
      typed_config:
        "@type": t/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: { validation_context: { trusted_ca: { filename: /none.pem } } }
`,
  });
  assert.deepEqual(
    errors.map(({ line, reason }) => `${line}: ${reason}`),
    ["3: unknown field 'adress' in envoy.config.listener.v3.Listener", '11: file /none.pem does not exist'],
  );
});

test('errors below what is unsupported, and its name, are left out; others stay', () => {
  const at = { severity: 'error', file: '', line: 0, column: 0, length: 0, sourceLine: '', hint: undefined } as const;
  const kept = rootCauses([
    { ...at, path: 'a.typed_config', reason: 'x is not supported yet' },
    { ...at, path: 'a.name', reason: 'name x is not supported yet' },
    { ...at, path: 'a.name', reason: 'is too long' },
    { ...at, path: 'a.typed_config.list[0].b', reason: "unknown field 'b'" },
    { ...at, path: 'a.typed_configs', reason: "unknown field 'c'" },
    { ...at, path: 'l[1]', reason: 'y is not supported yet' },
    { ...at, path: 'l[1].z', reason: 'is required' },
    { ...at, path: 'l[10].z', reason: 'is required' },
    { ...at, path: '', reason: 'whole is not supported yet' },
  ]).map(({ path, reason }) => `${path}: ${reason}`);
  assert.deepEqual(kept, [
    'a.typed_config: x is not supported yet',
    'a.name: is too long',
    "a.typed_configs: unknown field 'c'",
    'l[1]: y is not supported yet',
    'l[10].z: is required',
    ': whole is not supported yet',
  ]);
});

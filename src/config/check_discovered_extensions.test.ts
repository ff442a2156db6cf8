import assert from 'node:assert/strict';
import test from 'node:test';
import { errorsOf, frontProxy } from './load.testing.ts';

const fault = 't/envoy.extensions.filters.http.fault.v3.HTTPFault';
const router = 't/envoy.extensions.filters.http.router.v3.Router';

function reasons(discovery: string): string[] {
  const filters = `[{ name: f, config_discovery: { ${discovery} } }, { name: r, typed_config: { '@type': ${router} } }]`;
  return errorsOf(frontProxy({ filters })).map((text) => text.split('\n')[0].replace(/^.*?error: /, ''));
}

test('a discovered configuration says where it comes from and of which types it may be, in Envoy’s words', () => {
  const source = 'config_source: { path_config_source: { path: package.json } }';
  const typed = `${source}, type_urls: [${fault}]`;
  assert.deepEqual(reasons(typed), []);
  assert.deepEqual(reasons(`${typed}, default_config: { '@type': ${fault} }`), []);
  assert.deepEqual(reasons(`type_urls: [${fault}]`), ["'config_source' is required"]);
  assert.deepEqual(reasons(source), ["'type_urls' is required (it must have at least 1 item)"]);
  assert.deepEqual(reasons(`${typed}, apply_default_config_without_warming: true`), [
    'filter config f applied without warming but has no default config.',
  ]);
  const echo = 'envoy.extensions.filters.network.echo.v3.Echo';
  assert.deepEqual(reasons(`${source}, type_urls: [t/${echo}]`), [`no factory found for a required type URL ${echo}.`]);
  assert.deepEqual(reasons(`${typed}, default_config: { '@type': ${router} }`), [
    'terminal filter named f of type envoy.filters.http.router must be the last filter in a http filter chain.',
    'filter config has type URL envoy.extensions.filters.http.router.v3.Router but expect envoy.extensions.filters.http.fault.v3.HTTPFault.',
  ]);
  assert.deepEqual(reasons(`${typed}, default_config: { '@type': ${fault}, abort: { http_status: 1 } }`), [
    'http_status must be at least 200, is 1',
  ]);
});

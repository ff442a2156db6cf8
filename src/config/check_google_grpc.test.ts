import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf } from './load.testing.ts';

function errors(google: string): string[] {
  const yaml = `dynamic_resources:
  ads_config: { api_type: GRPC, grpc_services: [{ google_grpc: { stat_prefix: x, ${google} } }] }`;
  return errorsOf(yaml, true).map((text) => text.replace(/\n {3}.*\n.*\^/, '').replaceAll('\n', ' '));
}

test('what of google_grpc cannot be used is named where it stands', () => {
  const at = 'at dynamic_resources.ads_config.grpc_services[0].google_grpc';
  const [scheme] = errors('target_uri: "xds:///plane"');
  assert.match(
    scheme,
    /^\d+:\d+: error: 'xds:\/\/\/plane' is no address: host:port, dns:\/\/\/host:port or unix:\/path/,
  );
  assert.ok(scheme.includes(`${at}.target_uri`));
  const [credentials] = errors('target_uri: "plane:1", channel_credentials: { google_default: {} }');
  assert.match(credentials, /'google_default' is not supported yet/);
  const [token] = errors('target_uri: "plane:1", call_credentials: [{ access_token: t }]');
  assert.match(token, /call_credentials need channel_credentials with ssl_credentials/);
  assert.match(
    errors('target_uri: "plane:1", credentials_factory_name: mine')[0],
    /credentials_factory_name mine is not/,
  );
  assert.match(
    errors('target_uri: "plane:1", channel_credentials: { ssl_credentials: { root_certs: { filename: /none } } }')[0],
    /file \/none does not exist/,
  );
});

test('what can be used', () => {
  for (const google of [
    'target_uri: "plane:1"',
    'target_uri: "unix:/run/x", channel_credentials: { local_credentials: {} }, call_credentials: [{ access_token: t }]',
    'target_uri: "dns:///plane", channel_credentials: { ssl_credentials: {} }, call_credentials: [{ access_token: t }]',
  ]) {
    assert.deepEqual(errors(google), []);
  }
});

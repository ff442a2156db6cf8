import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { messageType, registry } from '../../api/registry.ts';
import { configDump } from './config_dump.ts';
import type { AdminContext, ConfigResource } from './context.ts';
import type { AdminReply } from './endpoint.ts';

const clusterType = 'envoy.config.cluster.v3.Cluster';
const listenerType = 'envoy.config.listener.v3.Listener';
const secretType = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const updated = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

function message(type: string, value: JsonValue): unknown {
  return fromJson(messageType(type), value, { registry });
}

const resources: ConfigResource[] = [
  {
    type: clusterType,
    name: 'a',
    message: message(clusterType, { name: 'a', connect_timeout: '1s', type: 'STATIC' }),
    lastUpdated: updated,
  },
  {
    type: clusterType,
    name: 'b',
    message: message(clusterType, { name: 'b' }),
    lastUpdated: updated,
    version: 'v7',
  },
  {
    type: listenerType,
    name: 'l',
    message: message(listenerType, { name: 'l', address: { socket_address: { address: '::', port_value: 0 } } }),
    lastUpdated: updated,
    version: 'v8',
  },
  {
    type: secretType,
    name: 's',
    message: message(secretType, {
      name: 's',
      tls_certificate: {
        certificate_chain: { filename: 'cert.pem' },
        private_key: { inline_bytes: Buffer.from('KEY').toString('base64') },
      },
    }),
    lastUpdated: updated,
  },
];

const context = {
  bootstrap: message('envoy.config.bootstrap.v3.Bootstrap', {
    node: { id: 'node-1', cluster: 'cluster-1' },
    static_resources: { secrets: [{ name: 's', tls_certificate: { private_key: { inline_string: 'KEY' } } }] },
  }),
  startTime: updated,
  resources: () => resources,
  latestVersion: (type: string) => ({ [clusterType]: 'v7', [listenerType]: 'v8' })[type],
} as unknown as AdminContext;

function ask(query: string): AdminReply {
  return configDump.handle(context, { path: '/config_dump', query: new URLSearchParams(query) });
}

function bodyOf(query: string): string {
  return String(ask(query).body);
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
function jsonOf(query: string): any {
  return JSON.parse(bodyOf(query));
}

test('/config_dump', () => {
  const { configs } = jsonOf('');
  assert.deepEqual(
    configs.map((config: Record<string, string>) => config['@type'].split('.').at(-1)),
    [
      'BootstrapConfigDump',
      'ClustersConfigDump',
      'ListenersConfigDump',
      'ScopedRoutesConfigDump',
      'RoutesConfigDump',
      'SecretsConfigDump',
    ],
  );
  const last_updated = '2026-01-02T03:04:05.006Z';
  const typed = (type: string, rest: object): object => ({ '@type': `type.googleapis.com/${type}`, ...rest });
  assert.deepEqual(configs[1], {
    '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
    version_info: 'v7',
    static_clusters: [
      { cluster: typed(clusterType, { name: 'a', type: 'STATIC', connect_timeout: '1s' }), last_updated },
    ],
    dynamic_active_clusters: [{ version_info: 'v7', cluster: typed(clusterType, { name: 'b' }), last_updated }],
  });
  const address = { socket_address: { address: '::', port_value: 0 } };
  assert.deepEqual(configs[2].dynamic_listeners, [
    {
      name: 'l',
      active_state: { version_info: 'v8', listener: typed(listenerType, { name: 'l', address }), last_updated },
    },
  ]);
});

test('/config_dump shows no secret', () => {
  const body = bodyOf('');
  assert.ok(!body.includes('KEY') && !body.includes(Buffer.from('KEY').toString('base64')));
  const [{ secret }] = jsonOf('resource=static_secrets').configs;
  assert.deepEqual(secret.tls_certificate, {
    certificate_chain: { filename: 'cert.pem' },
    private_key: { inline_bytes: Buffer.from('[redacted]').toString('base64') },
  });
});

test('/config_dump parameters', () => {
  assert.equal(bodyOf('resource=dynamic_route_configs'), '{}\n');
  const [cluster] = jsonOf('resource=static_clusters&mask=cluster.name').configs;
  assert.deepEqual(cluster, {
    '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster',
    cluster: { '@type': `type.googleapis.com/${clusterType}`, name: 'a' },
  });
  const masked = jsonOf('mask=bootstrap.node.id').configs;
  assert.deepEqual(masked, [
    { '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump', bootstrap: { node: { id: 'node-1' } } },
  ]);
  const named = jsonOf('name_regex=b').configs[1];
  assert.deepEqual(Object.keys(named), ['@type', 'version_info', 'dynamic_active_clusters']);
  const unknown = ask('resource=foo');
  assert.deepEqual([unknown.status, unknown.body], [404, 'foo not found in config dump']);
  const single = ask('resource=bootstrap');
  assert.deepEqual(
    [single.status, single.body],
    [400, 'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field'],
  );
  assert.equal(
    bodyOf('name_regex=*'),
    'INVALID_ARGUMENT: Error while parsing name_regex from *: no argument for repetition operator: *',
  );
});

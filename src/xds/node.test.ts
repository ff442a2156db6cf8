import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, toJson } from '@bufbuild/protobuf';
import { messageType } from '../api/registry.ts';
import { factories } from '../extensions/registry.ts';
import { nodeForXds } from './node.ts';

const type = messageType('envoy.config.core.v3.Node');

test('the node: what the bootstrap says, and what Envoy adds to it', () => {
  const given = {
    id: 'n',
    cluster: 'c',
    metadata: { ROLE: 'edge' },
    locality: { region: 'r', zone: 'z' },
    client_features: ['mine'],
  };
  const node = nodeForXds(fromJson(type, given as never) as never, 'envoy', factories);
  const json = toJson(type, node as never, { useProtoFieldName: true }) as Record<string, unknown>;
  const { extensions, ...rest } = json;
  assert.deepEqual(rest, {
    ...given,
    user_agent_name: 'envoy',
    user_agent_build_version: {
      version: { major_number: 1, minor_number: 40 },
      metadata: {
        'revision.sha': '0'.repeat(40),
        'revision.status': 'Distribution',
        'build.type': 'RELEASE',
        'ssl.version': 'OpenSSL',
      },
    },
    client_features: ['mine'],
  });
  const router = (extensions as { name: string }[]).find(({ name }) => name === 'envoy.filters.http.router');
  assert.deepEqual(router, {
    name: 'envoy.filters.http.router',
    category: 'envoy.filters.http',
    type_urls: ['envoy.extensions.filters.http.router.v3.Router'],
  });
});

test('it calls itself what it is told to', () => {
  const node = nodeForXds(fromJson(type, { id: 'n' }) as never, 'nuncio', factories);
  assert.equal(node.userAgentName, 'nuncio');
});

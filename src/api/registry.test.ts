import assert from 'node:assert/strict';
import test from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  allMessageNames,
  decode,
  encode,
  findEnumType,
  findMessageType,
  messageType,
  registry,
  typeNameOf,
  unpackAny,
} from './registry.ts';

test('every message type of the API loads', () => {
  const names = allMessageNames();
  assert.ok(names.length > 1500);
  for (const name of names) assert.equal(messageType(name).typeName, name);
});

test('an unknown type is undefined, or an error by name', () => {
  assert.equal(findMessageType('envoy.config.cluster.v3.Clutser'), undefined);
  assert.throws(() => messageType('envoy.nothing'), /unknown message type envoy.nothing/);
  assert.throws(() => decode('envoy.nothing', new Uint8Array()), /unknown message type/);
});

test('nested types and enums are found by full name', () => {
  assert.equal(messageType('envoy.config.route.v3.RouteAction.HashPolicy').name, 'HashPolicy');
  assert.equal(findEnumType('envoy.config.cluster.v3.Cluster.LbPolicy')?.value[1].name, 'LEAST_REQUEST');
});

test('a type has one descriptor, whatever loaded it first', () => {
  const cluster = messageType('envoy.config.cluster.v3.Cluster');
  const bootstrap = messageType('envoy.config.bootstrap.v3.Bootstrap');
  const inBootstrap = bootstrap.nestedMessages.find((m) => m.name === 'StaticResources')!.field['clusters'];
  assert.equal(inBootstrap.message, cluster);
});

test('messages make the round trip, inside an Any too', () => {
  const type = messageType('envoy.config.core.v3.Node');
  const node = create(type, { id: 'a', cluster: 'b', metadata: { fields: {} } });
  const bytes = encode('envoy.config.core.v3.Node', node);
  assert.equal(decode('envoy.config.core.v3.Node', bytes).cluster, 'b');
  const any = anyPack(type, node);
  assert.equal(unpackAny(any)['id'], 'a');
  assert.throws(() => unpackAny(any, 'envoy.config.cluster.v3.Cluster'), /expected envoy.config.cluster.v3.Cluster/);
  assert.equal(typeNameOf(any.typeUrl), 'envoy.config.core.v3.Node');
});

test('the registry serves toJson of messages with Any', () => {
  const router = messageType('envoy.extensions.filters.http.router.v3.Router');
  const config = create(messageType('envoy.config.core.v3.TypedExtensionConfig'), {
    name: 'r',
    typedConfig: anyPack(router, create(router, { suppressEnvoyHeaders: true })),
  });
  assert.deepEqual(toJson(messageType('envoy.config.core.v3.TypedExtensionConfig'), config, { registry }), {
    name: 'r',
    typedConfig: { '@type': 'type.googleapis.com/' + router.typeName, suppressEnvoyHeaders: true },
  });
});

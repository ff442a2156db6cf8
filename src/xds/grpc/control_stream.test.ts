import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { frameMessage } from '../../../native-free/grpc/message_framing.ts';
import { ControlPlane, type SotwRequest } from '../../../test/support/control_plane.ts';
import { waitFor } from '../../../test/support/wait_for.ts';
import { type AnyMessage, messageType } from '../../api/registry.ts';
import { BackOff } from '../back_off.ts';
import { CONTROL_PLANE } from '../stats.ts';
import { XdsSubscriptions } from '../subscription_factory.ts';
import {
  ads,
  assignment,
  cluster,
  clusterType,
  endpointType,
  parts,
  Recorder,
  source,
  stopAtEnd,
} from '../subscriptions.testing.ts';

const clusterUrl = `type.googleapis.com/${clusterType}`;

test('the back-off doubles from 500 ms to 30 s, anywhere below its bound, and begins anew after a success', () => {
  const most = new BackOff(500, 30_000, () => 0.999_999);
  const waits = Array.from({ length: 9 }, () => most.next());
  assert.deepEqual(waits, [499, 999, 1999, 3999, 7999, 15_999, 29_999, 29_999, 29_999]);
  most.reset();
  assert.equal(most.next(), 499);
  assert.equal(new BackOff(500, 30_000, () => 0).next(), 0);
});

test('rate_limit_settings: requests beyond the bucket wait, are counted, and go out in time', async () => {
  const plane = await ControlPlane.start(() => {});
  const limited = { ...ads(false), rateLimitSettings: { maxTokens: 2, fillRate: 0.5 } } as never;
  const all = parts(() => plane.port, { ads: limited });
  const xds = new XdsSubscriptions(all);
  stopAtEnd(xds, plane);
  const slots = all.stats.block(CONTROL_PLANE, 'control_plane.');
  const { slot } = CONTROL_PLANE;
  const eds = xds.subscribe(source({ ads: {} }), endpointType, 'cluster.a.', new Recorder());
  eds.start(new Set(['a']));
  xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', new Recorder()).start(undefined);
  await waitFor('two requests', () => plane.streams[0]?.requests.length === 2);
  assert.equal(slots[slot.rate_limit_enforced] + 0, 0, 'asking whether there is anything to send takes no token');
  eds.updateNames(new Set(['a', 'b']));
  await waitFor('the limit', () => slots[slot.rate_limit_enforced] === 1);
  assert.equal(slots[slot.pending_requests], 1);
  assert.equal(plane.streams[0].requests.length, 2);
  await waitFor('the third request', () => plane.streams[0].requests.length === 3);
  assert.equal(slots[slot.pending_requests], 0);
});

/** A resource in its wrapper; without a message it renews one. */
function wrapped(name: string, seconds: number, message?: AnyMessage): AnyMessage {
  const nanos = Math.round(seconds * 1e9);
  return create(messageType('envoy.service.discovery.v3.Resource'), {
    name,
    version: '1',
    resource: message && {
      $typeName: 'google.protobuf.Any',
      typeUrl: clusterUrl,
      value: new Uint8Array(Buffer.from([10, name.length, ...Buffer.from(name)])),
    },
    ttl: { $typeName: 'google.protobuf.Duration', seconds: 0n, nanos },
  } as never) as unknown as AnyMessage;
}

test('heartbeats keep what would expire, also beside other resources; without them it goes', async () => {
  const plane = await ControlPlane.start(() => {});
  const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(false) }));
  stopAtEnd(xds, plane);
  const recorder = new Recorder();
  xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
  await waitFor('the request', () => plane.streams[0]?.requests.length === 1);
  const [stream] = plane.streams;
  const send = (nonce: string, version: string, ...resources: AnyMessage[]) =>
    stream.respond({ typeUrl: clusterUrl, version, nonce, resources });
  send('1', '1', wrapped('a', 0.3, cluster('a')), cluster('b'));
  await waitFor('the first', () => recorder.updates.length === 1);
  const since = performance.now();
  for (let i = 2; performance.now() - since < 600; i++) {
    send(`${i}`, '1', wrapped('a', 0.3));
    await waitFor('its ACK', () => (stream.requests.at(-1) as SotwRequest).responseNonce === `${i}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(recorder.updates.length, 1, 'a heartbeat is no update');
  send('x', '2', wrapped('a', 0.3), cluster('c'));
  await waitFor('the second', () => recorder.updates.length === 2);
  assert.deepEqual(recorder.updates[1].names.sort(), ['a', 'c']);
  await waitFor('the end', () => recorder.updates.length === 3);
  assert.deepEqual(recorder.updates[2].removed, ['a']);
});

test('what is sent of another type than was asked for is not taken', async () => {
  const plane = await ControlPlane.start(() => {});
  const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(false) }));
  stopAtEnd(xds, plane);
  const recorder = new Recorder();
  xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
  await waitFor('the request', () => plane.streams[0]?.requests.length === 1);
  const typeUrl = `type.googleapis.com/${endpointType}`;
  plane.streams[0].respond({ typeUrl, version: '1', nonce: 'e', resources: [assignment('a')] });
  plane.streams[0].respond({ typeUrl: clusterUrl, version: '1', nonce: 'c', resources: [cluster('a')] });
  await waitFor('the ACK', () => plane.streams[0].requests.length === 2);
  assert.equal((plane.streams[0].requests[1] as SotwRequest).responseNonce, 'c');
  assert.deepEqual(
    recorder.updates.map(({ names }) => names),
    [['a']],
  );
});

test('a control plane of the second API is asked in its own terms', async () => {
  const v2 = 1;
  for (const delta of [false, true]) {
    const plane = await ControlPlane.start((stream, request) => {
      if (request.responseNonce !== '') return;
      const { typeUrl } = request;
      if (!delta) stream.respond({ typeUrl, version: '1', nonce: '1', resources: [cluster('a')] });
      else stream.respondDelta({ typeUrl, nonce: '1', added: [{ name: 'a', version: '1', message: cluster('a') }] });
    });
    const xds = new XdsSubscriptions(
      parts(() => plane.port, { ads: { ...ads(delta), transportApiVersion: v2 } as never }),
    );
    stopAtEnd(xds, plane);
    const recorder = new Recorder();
    xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
    await waitFor('the update', () => recorder.updates.length === 1);
    assert.deepEqual(recorder.updates[0].names, ['a']);
    const [stream] = plane.streams;
    const method = delta ? 'DeltaAggregatedResources' : 'StreamAggregatedResources';
    assert.equal(stream.path, `/envoy.service.discovery.v2.AggregatedDiscoveryService/${method}`);
    assert.equal(stream.requests[0].typeUrl, 'type.googleapis.com/envoy.api.v2.Cluster');
  }
});

test('what cannot be read ends the stream with INTERNAL, and the next one asks again', async () => {
  const nonsense = [
    frameMessage(Uint8Array.of(0xff, 0xff)),
    Uint8Array.of(1, 0, 0, 0, 1, 0), // compressed
    Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), // four gigabytes are announced
  ];
  const plane = await ControlPlane.start((stream) => {
    const bytes = nonsense[plane.streams.length - 1];
    if (bytes !== undefined) stream.sendBytes(bytes);
    else stream.respond({ typeUrl: clusterUrl, version: '1', nonce: '1', resources: [cluster('a')] });
  });
  const all = parts(() => plane.port, { ads: ads(false) });
  const xds = new XdsSubscriptions(all);
  stopAtEnd(xds, plane);
  const recorder = new Recorder();
  xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
  await waitFor('the answer', () => recorder.updates.length > 0);
  assert.equal(plane.streams.length, nonsense.length + 1);
});

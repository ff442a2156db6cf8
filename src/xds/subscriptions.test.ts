import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  ControlPlane,
  type DeltaRequest,
  type PlaneStream,
  type SotwRequest,
} from '../../test/support/control_plane.ts';
import { waitFor as waitForNamed } from '../../test/support/wait_for.ts';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { CONTROL_PLANE, SUBSCRIPTION } from './stats.ts';
import { XdsSubscriptions } from './subscription_factory.ts';
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
} from './subscriptions.testing.ts';

const clusterUrl = `type.googleapis.com/${clusterType}`;
const endpointUrl = `type.googleapis.com/${endpointType}`;

function waitFor(condition: () => unknown): Promise<unknown> {
  return waitForNamed(String(condition), condition);
}

describe('state of the world over ADS', () => {
  test('asks, acknowledges, refuses with every reason, and asks again with what it holds', async () => {
    let last: PlaneStream | undefined;
    const plane = await ControlPlane.start((stream) => {
      last = stream;
    });
    const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(false) }));
    stopAtEnd(xds, plane);
    const clusters = new Recorder();
    const endpoints = new Recorder();
    xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', clusters).start(undefined);
    const eds = xds.subscribe(source({ ads: {} }), endpointType, 'cluster.a.', endpoints);
    eds.start(new Set(['a']));
    await waitFor(() => last?.requests.length === 2);
    const stream = last!;
    const [first, second] = stream.requests as SotwRequest[];
    assert.equal(stream.path, '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources');
    assert.equal(stream.headers['x-token'], 't');
    assert.deepEqual([first.typeUrl, first.resourceNames, first.node?.id], [clusterUrl, [], 'n']);
    assert.deepEqual([second.typeUrl, second.resourceNames, second.node], [endpointUrl, ['a'], undefined]);

    stream.respond({ typeUrl: clusterUrl, version: '1', nonce: 'n1', resources: [cluster('a'), cluster('b')] });
    await waitFor(() => stream.requests.length === 3);
    const ack = stream.requests[2] as SotwRequest;
    assert.deepEqual([ack.versionInfo, ack.responseNonce, ack.errorDetail], ['1', 'n1', undefined]);
    assert.deepEqual(clusters.updates, [{ names: ['a', 'b'], removed: [], version: '1' }]);

    clusters.refuse = [
      { resource: 'b', reason: 'first' },
      { resource: 'c', reason: 'second' },
    ];
    stream.respond({ typeUrl: clusterUrl, version: '2', nonce: 'n2', resources: [cluster('b')] });
    await waitFor(() => stream.requests.length === 4);
    const nack = stream.requests[3] as SotwRequest;
    assert.deepEqual([nack.versionInfo, nack.responseNonce], ['1', 'n2']);
    assert.deepEqual([nack.errorDetail?.code, nack.errorDetail?.message], [13, 'b: first\nc: second']);

    stream.respond({ typeUrl: endpointUrl, version: '1', nonce: 'e1', resources: [assignment('other')] });
    await waitFor(() => stream.requests.length === 5);
    assert.deepEqual(endpoints.updates, [], 'nobody asked for this one');
    eds.updateNames(new Set(['a', 'z']));
    await waitFor(() => stream.requests.length === 6);
    assert.deepEqual((stream.requests[5] as SotwRequest).resourceNames, ['a', 'z']);

    stream.end(14);
    await waitFor(() => plane.streams.length === 2 && plane.streams[1].requests.length === 2);
    const again = plane.streams[1].requests[0] as SotwRequest;
    assert.deepEqual([again.versionInfo, again.responseNonce, again.node?.id], ['1', '', 'n']);
    assert.deepEqual(clusters.failures, ['connection failure']);
  });

  test('what cannot be decoded is refused by its name, and nothing of it applied', async () => {
    const plane = await ControlPlane.start((stream, request) => {
      if (request.responseNonce !== '') return;
      stream.respond({ typeUrl: clusterUrl, version: '1', nonce: '1', resources: [cluster('a'), assignment('x')] });
    });
    const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(false) }));
    stopAtEnd(xds, plane);
    const recorder = new Recorder();
    xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
    await waitFor(() => plane.streams[0]?.requests.length === 2);
    const nack = plane.streams[0].requests[1] as SotwRequest;
    assert.match(nack.errorDetail!.message, /is a envoy\.config\.endpoint\.v3\.ClusterLoadAssignment, expected a/);
    assert.equal(nack.versionInfo, '');
    assert.deepEqual([recorder.updates, recorder.failures], [[], ['update rejected']]);
  });

  test('a control plane that is not there is tried again, and whoever waits goes on after the fetch timeout', async () => {
    const plane = await ControlPlane.start(() => {});
    const { port } = plane;
    await plane.stop();
    const all = parts(() => port, { ads: ads(false) });
    const xds = new XdsSubscriptions(all);
    stopAtEnd(xds);
    const recorder = new Recorder();
    const config = source({ ads: {}, initial_fetch_timeout: '0.2s' });
    xds.subscribe(config, clusterType, 'cluster_manager.cds.', recorder).start(undefined);
    await waitFor(() => recorder.failures.includes('fetch timed out'));
    assert.ok(recorder.failures.filter((why) => why === 'connection failure').length > 1, 'tried more than once');
    const late = await ControlPlane.start((stream) => {
      stream.respond({ typeUrl: clusterUrl, version: '1', nonce: '1', resources: [cluster('late')] });
    }, port);
    stopAtEnd(late);
    await waitFor(() => recorder.updates.length > 0);
    assert.deepEqual(recorder.updates[0].names, ['late']);
    const connected = all.stats.block(CONTROL_PLANE, 'control_plane.')[CONTROL_PLANE.slot.connected_state];
    assert.equal(connected, 1);
  });

  test('a resource with a time to live goes when nothing renews it', async () => {
    const wrapped = create(messageType('envoy.service.discovery.v3.Resource'), {
      name: 'a',
      version: '1',
      resource: {
        $typeName: 'google.protobuf.Any',
        typeUrl: clusterUrl,
        value: new Uint8Array(Buffer.from([10, 1, 97])),
      },
      ttl: { $typeName: 'google.protobuf.Duration', seconds: 0n, nanos: 50e6 },
    } as never) as unknown as AnyMessage;
    const plane = await ControlPlane.start((stream, request) => {
      if (request.responseNonce !== '') return;
      stream.respond({ typeUrl: clusterUrl, version: '1', nonce: '1', resources: [wrapped] });
    });
    const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(false) }));
    stopAtEnd(xds, plane);
    const recorder = new Recorder();
    xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', recorder).start(undefined);
    await waitFor(() => recorder.updates.length === 2);
    assert.deepEqual(
      recorder.updates.map(({ names, removed }) => [names, removed]),
      [
        [['a'], []],
        [[], ['a']],
      ],
    );
  });
});

describe('delta over ADS', () => {
  test('subscribes, unsubscribes, acknowledges, and tells what it holds after a reconnect', async () => {
    const plane = await ControlPlane.start(() => {});
    const xds = new XdsSubscriptions(parts(() => plane.port, { ads: ads(true) }));
    stopAtEnd(xds, plane);
    const clusters = new Recorder();
    const endpoints = new Recorder();
    xds.subscribe(source({ ads: {} }), clusterType, 'cluster_manager.cds.', clusters).start(undefined);
    const eds = xds.subscribe(source({ ads: {} }), endpointType, 'cluster.a.', endpoints);
    eds.start(new Set(['a', 'b']));
    await waitFor(() => plane.streams[0]?.requests.length === 2);
    const stream = plane.streams[0];
    const requests = stream.requests as DeltaRequest[];
    assert.deepEqual([requests[0].typeUrl, requests[0].resourceNamesSubscribe], [clusterUrl, []]);
    assert.deepEqual([requests[1].typeUrl, requests[1].resourceNamesSubscribe], [endpointUrl, ['a', 'b']]);
    stream.respondDelta({
      typeUrl: clusterUrl,
      nonce: '1',
      added: [
        { name: 'a', version: 'a1', message: cluster('a') },
        { name: 'b', version: 'b1', message: cluster('b') },
      ],
    });
    stream.respondDelta({ typeUrl: clusterUrl, nonce: '2', removed: ['b'] });
    await waitFor(() => requests.length === 4);
    assert.deepEqual(
      requests.slice(2).map((request) => [request.responseNonce, request.errorDetail]),
      [
        ['1', undefined],
        ['2', undefined],
      ],
    );
    clusters.refuse = [{ resource: 'x', reason: 'no' }];
    stream.respondDelta({
      typeUrl: clusterUrl,
      nonce: '3',
      added: [{ name: 'x', version: '1', message: cluster('x') }],
    });
    await waitFor(() => requests.length === 5);
    assert.deepEqual([requests[4].responseNonce, requests[4].errorDetail?.message], ['3', 'x: no']);
    eds.updateNames(new Set(['b', 'c']));
    await waitFor(() => requests.length === 6);
    assert.deepEqual([requests[5].resourceNamesSubscribe, requests[5].resourceNamesUnsubscribe], [['c'], ['a']]);
    stream.end(14);
    await waitFor(() => plane.streams[1]?.requests.length === 2);
    const [again, names] = plane.streams[1].requests as DeltaRequest[];
    assert.deepEqual(again.initialResourceVersions, { a: 'a1' });
    assert.deepEqual(names.resourceNamesSubscribe.sort(), ['b', 'c']);
  });
});

describe('REST', () => {
  test('posts the request, takes the answer, keeps its version', async () => {
    const bodies: Record<string, unknown>[] = [];
    const server = createHttpServer(async (request: IncomingMessage, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      bodies.push({ ...JSON.parse(text), path: request.url, host: request.headers.host });
      const json = { version_info: `${bodies.length}`, resources: [{ '@type': clusterUrl, name: 'a' }] };
      response.end(JSON.stringify(json));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const all = parts(() => (server.address() as AddressInfo).port);
    const xds = new XdsSubscriptions(all);
    const recorder = new Recorder();
    const config = source({
      api_config_source: {
        api_type: 'REST',
        transport_api_version: 'V3',
        cluster_names: ['xds'],
        refresh_delay: '0.05s',
      },
    });
    const subscription = xds.subscribe(config, clusterType, 'cluster_manager.cds.', recorder);
    stopAtEnd(subscription, { stop: () => server.close() });
    subscription.start(undefined);
    await waitFor(() => recorder.updates.length >= 2);
    assert.deepEqual(recorder.updates[0], { names: ['a'], removed: [], version: '1' });
    assert.deepEqual([bodies[0]['path'], bodies[0]['host']], ['/v3/discovery:clusters', 'xds']);
    assert.deepEqual([bodies[0]['version_info'], bodies[1]['version_info']], [undefined, '1']);
    const slots = all.stats.block(SUBSCRIPTION, 'cluster_manager.cds.');
    assert.ok(slots[SUBSCRIPTION.slot.update_success] >= 2);
  });
});

describe('files', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'nuncio-xds-'));
  after(() => rmSync(folder, { recursive: true }));
  const text = (name: string) => `version_info: "${name}"\nresources:\n- "@type": ${clusterUrl}\n  name: ${name}\n`;

  test('is read again when another file is moved into its place, and a bad one leaves what there was', async () => {
    const file = path.join(folder, 'cds.yaml');
    writeFileSync(file, text('one'));
    const xds = new XdsSubscriptions(parts(() => undefined));
    const recorder = new Recorder();
    const subscription = xds.subscribe(source({ path_config_source: { path: file } }), clusterType, 'a.', recorder);
    stopAtEnd(subscription);
    subscription.start(undefined);
    await waitFor(() => recorder.updates.length === 1);
    writeFileSync(`${file}.new`, 'resources: [{');
    renameSync(`${file}.new`, file);
    await waitFor(() => recorder.failures.length === 1);
    writeFileSync(`${file}.new`, text('two'));
    renameSync(`${file}.new`, file);
    await waitFor(() => recorder.updates.length === 2);
    assert.deepEqual(
      recorder.updates.map(({ names }) => names),
      [['one'], ['two']],
    );
  });

  test('a watched folder whose link is swapped', async () => {
    const swapped = path.join(folder, 'swap');
    const make = (name: string) => {
      const target = mkdtempSync(path.join(folder, 'data-'));
      writeFileSync(path.join(target, 'cds.yaml'), text(name));
      symlinkSync(target, `${swapped}.new`);
      renameSync(`${swapped}.new`, swapped);
    };
    make('one');
    const xds = new XdsSubscriptions(parts(() => undefined));
    const recorder = new Recorder();
    const config = source({
      path_config_source: { path: path.join(swapped, 'cds.yaml'), watched_directory: { path: folder } },
    });
    const subscription = xds.subscribe(config, clusterType, 'b.', recorder);
    stopAtEnd(subscription);
    subscription.start(undefined);
    await waitFor(() => recorder.updates.length === 1);
    make('two');
    await waitFor(() => recorder.updates.at(-1)?.names[0] === 'two');
  });
});

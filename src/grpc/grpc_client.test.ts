/** Calls of gRPC services over a cluster of our own, to a real server: answers, failures, deadlines, streams and their brakes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import grpc from '@grpc/grpc-js';
import { headerName } from '../../native-free/headers/header_name.ts';
import { type GrpcServer, startGrpcServer } from '../../test/support/grpc.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { messageType } from '../api/registry.ts';
import { CLUSTER, HTTP_ROUTER } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { makeWords } from '../snapshot/layout.ts';
import type { GrpcCallOptions } from '../spi/grpc_client.ts';
import { Cluster } from '../upstream/cluster.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { ClusterGrpcClient } from './grpc_client.ts';

const words = new Int32Array(makeWords());
const store = new ThreadStats(() => {});
let server: GrpcServer;
let cluster: Cluster;

before(async () => {
  server = await startGrpcServer();
  cluster = clusterAt(server.port);
});
after(() => {
  cluster.drain();
  server.close();
});

let lastSlot = 0;

function clusterAt(port: number): Cluster {
  const options = { explicitHttpConfig: { http2ProtocolOptions: {} } };
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const json = {
    name: `service${++lastSlot}`,
    connectTimeout: '1s',
    typedExtensionProtocolOptions: { [type]: { '@type': `type.googleapis.com/${type}`, ...options } },
  };
  const registry = { getMessage: messageType } as never;
  const message = fromJson(messageType('envoy.config.cluster.v3.Cluster'), json as never, { registry });
  const made = new Cluster(message as never, lastSlot, { words, ledger: new Int32Array(words.length) }, store);
  const address = { ip: '127.0.0.1', port, text: `127.0.0.1:${port}` };
  made.updateHosts([{ clusterName: made.name, address, hostname: '', weight: 1, priority: 0, slot: lastSlot }]);
  return made;
}

function clientOf(target: Cluster | undefined, service: object = {}): ClusterGrpcClient {
  const json = { envoyGrpc: { clusterName: target?.name ?? 'missing' }, ...service };
  const message = fromJson(messageType('envoy.config.core.v3.GrpcService'), json as never);
  const clusters = { get: (name: string) => (name === target?.name ? target : undefined) };
  return new ClusterGrpcClient(message as never, clusters as unknown as ClusterManager, store);
}

interface Outcome {
  status: number;
  text: string;
}

function unary(client: ClusterGrpcClient, message: string | Buffer, options?: GrpcCallOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    const callbacks = {
      onSuccess: (bytes: Uint8Array) => resolve({ status: 0, text: Buffer.from(bytes).toString() }),
      onFailure: (status: number, text: string) => resolve({ status, text }),
    };
    client.unary('/test.Echo/Unary', Buffer.from(message), callbacks, options);
  });
}

test('one message there, one back; the server is told who asks and for how long', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let seen: Record<string, grpc.MetadataValue> = {};
  let deadline = 0;
  server.methods = {
    Unary: (call, done) => {
      seen = call.metadata.getMap();
      deadline = Number(call.getDeadline());
      done(null, call.request);
    },
  };
  const metadata = [
    { key: 'x-token', value: 'secret' },
    { key: 'x-host', value: '%REQ(x-who)%' },
  ];
  const client = clientOf(cluster, { timeout: '5s', initialMetadata: metadata });
  const request = { headers: { get: (name: unknown) => (name === headerName('x-who') ? 'me' : undefined) } };
  const parent = { info: {}, request } as never;
  const before = store.block(HTTP_ROUTER, 'http.async-client.')[HTTP_ROUTER.slot.rq_total];
  assert.deepEqual(await unary(client, 'hello', { parent }), { status: 0, text: 'hello' });
  assert.deepEqual([seen['x-token'], seen['x-host'], seen['x-envoy-internal']], ['secret', 'me', 'true']);
  assert.equal(seen['x-envoy-expected-rq-timeout-ms'], '5000');
  assert.ok(Math.abs(deadline - Date.now() - 5000) < 1000);
  assert.equal(store.block(HTTP_ROUTER, 'http.async-client.')[HTTP_ROUTER.slot.rq_total], before + 1);
  assert.equal(cluster.stats[CLUSTER.slot.upstream_rq_total] >= 1, true);
  const bare = clientOf(cluster, { envoyGrpc: { clusterName: cluster.name, skipEnvoyHeaders: true } });
  await unary(bare, '');
  assert.deepEqual([seen['x-envoy-internal'], seen['x-forwarded-for']], [undefined, undefined]);
  assert.equal(deadline, Number.POSITIVE_INFINITY);
});

test('failures: told by the server, without a cluster, without a host, without a connection', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  server.methods = { Unary: (_call, done) => done({ code: grpc.status.PERMISSION_DENIED, details: 'nein: é' }) };
  assert.deepEqual(await unary(clientOf(cluster), ''), { status: 7, text: 'nein: é' });
  assert.deepEqual(await unary(clientOf(undefined), ''), { status: 14, text: 'Cluster not available' });
  const empty = clusterAt(1);
  empty.updateHosts([]);
  assert.deepEqual(await unary(clientOf(empty), ''), { status: 14, text: 'no healthy upstream' });
  const closed = await startGrpcServer();
  closed.close();
  const dead = await unary(clientOf(clusterAt(closed.port)), '');
  assert.equal(dead.status, 14);
  assert.match(dead.text, /remote connection failure/);
  const broken = clientOf(cluster);
  server.methods = { Unary: (call, done) => done(null, call.request) };
  const calls = Array.from({ length: 200 }, (_, i) => unary(broken, String(i)));
  assert.deepEqual(
    (await Promise.all(calls)).map(({ text }) => Number(text)),
    [...calls.keys()],
  );
});

test('a deadline, a message that is too large, and a call that is cancelled', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let ended = 0;
  server.methods = {
    Unary: (call) => {
      call.on('cancelled', () => ended++);
    },
  };
  assert.deepEqual(await unary(clientOf(cluster, { timeout: '0.1s' }), ''), {
    status: 14,
    text: 'upstream request timeout',
  });
  await waitFor('end at the server', () => ended === 1);
  const never = () => assert.fail('told of a call that was cancelled');
  const call = clientOf(cluster).unary('/test.Echo/Unary', Buffer.from(''), { onSuccess: never, onFailure: never });
  await delay(50);
  call.cancel();
  await waitFor('end at the server', () => ended === 2);
  server.methods = {};
  const limited = clientOf(cluster, { envoyGrpc: { clusterName: cluster.name, maxReceiveMessageLength: 10 } });
  assert.equal((await unary(limited, '0123456789')).text, '0123456789');
  assert.equal((await unary(limited, '0123456789a')).status, grpc.status.RESOURCE_EXHAUSTED);
});

test('a stream of 1,000 messages each way', async () => {
  const received: string[] = [];
  const closed = new Promise<Outcome>((resolve) => {
    const stream = clientOf(cluster).stream('/test.Echo/Chat', {
      onMessage: (message) => {
        received.push(Buffer.from(message).toString());
        if (received.length === 1000) stream.closeSend();
      },
      onClosed: (status, text) => resolve({ status, text }),
    });
    for (let i = 0; i < 1000; i++) assert.ok(stream.send(Buffer.from(`message ${i}`)));
  });
  assert.equal((await closed).status, 0);
  assert.deepEqual(
    received,
    Array.from({ length: 1000 }, (_, i) => `message ${i}`),
  );
});

test('a server that does not read makes send refuse; when it reads again we hear of it', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let resume = () => {};
  server.methods = {
    Upload: (call, done) => {
      let bytes = 0;
      call.pause();
      resume = () => call.resume();
      call.on('data', (message: Buffer) => {
        bytes += message.length;
      });
      call.on('end', () => done(null, Buffer.from(String(bytes))));
    },
  };
  const message = Buffer.alloc(65_536);
  let sent = 0;
  let refusals = 0;
  let answer = '';
  const total = 1000;
  const closed = new Promise<Outcome>((resolve) => {
    const stream = clientOf(cluster).stream('/test.Echo/Upload', {
      onMessage: (bytes) => {
        answer = Buffer.from(bytes).toString();
      },
      onWritable: () => push(),
      onClosed: (status, text) => resolve({ status, text }),
    });
    const push = () => {
      while (sent < total) {
        if (!stream.send(message)) {
          refusals++;
          return;
        }
        sent++;
      }
      stream.closeSend();
    };
    push();
  });
  await delay(300);
  assert.ok(sent < total && refusals > 0, `${sent} messages were taken`);
  resume();
  assert.equal((await closed).status, 0);
  assert.equal(answer, String(total * message.length));
});

test('a reader that pauses stops the server', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let written = 0;
  server.methods = {
    Download: (call) => {
      const write = () => {
        while (written < 5000) {
          written++;
          if (!call.write(Buffer.alloc(16_384))) {
            call.once('drain', write);
            return;
          }
        }
        call.end();
      };
      write();
    },
  };
  let received = 0;
  let resume = () => {};
  const closed = new Promise<Outcome>((resolve) => {
    const stream = clientOf(cluster).stream('/test.Echo/Download', {
      onMessage: () => received++,
      onClosed: (status, text) => resolve({ status, text }),
    });
    stream.pause();
    resume = () => stream.resume();
    stream.send(Buffer.from('5000'));
    stream.closeSend();
  });
  await delay(400);
  const held = written;
  await delay(200);
  assert.ok(written - held < 8 && written < 5000, `${written} messages were sent`);
  resume();
  assert.equal((await closed).status, 0);
  assert.equal(received, 5000);
});

/** gRPC between a real client and a real server through the proxy: all kinds of calls, deadlines, cancelling, back-pressure. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { frameMessage } from '../../native-free/grpc/message_framing.ts';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, route } from '../support/bootstrap.ts';
import { TestAuthority } from '../support/certificates.ts';
import { collect, GrpcClient, type GrpcServer, startGrpcServer } from '../support/grpc.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { certificateFiles, downstreamTls } from '../support/tls.ts';
import { delay, waitFor } from '../support/wait_for.ts';

let server: GrpcServer;
let proxy: RunningProxy;
let client: GrpcClient;

/** A cluster that speaks HTTP/2 with small windows: what a slow reader leaves behind shows soon. */
function http2Cluster(name: string, port: number, more: Json = {}): Json {
  const windows = { initial_stream_window_size: 65_535, initial_connection_window_size: 1_048_576 };
  return cluster(name, [port], {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: windows },
      },
    },
    ...more,
  });
}

const format = '%REQ(:PATH)% %RESPONSE_CODE% %GRPC_STATUS% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';

before(async () => {
  server = await startGrpcServer();
  const dead = await startGrpcServer();
  dead.close();
  const capped = { max_stream_duration: { grpc_timeout_header_max: '0.3s' } };
  const retried = { retry_policy: { retry_on: 'unavailable', num_retries: 3 } };
  const routes = [
    route('/test.Echo/', 'server', capped, headerMatch('x-capped')),
    route('/test.Echo/', 'server', { timeout: '0s', ...retried }, headerMatch('x-retried')),
    route('/test.Echo/', 'dead', {}, headerMatch('x-dead')),
    route('/test.Echo/', 'server', { timeout: '0s' }),
  ];
  proxy = await startProxy((dir) =>
    bootstrap(
      [
        httpListener('main', routes, {
          access_log: [fileAccessLog(`${dir}/log`, format)],
          http2_protocol_options: { initial_stream_window_size: 65_535 },
        }),
      ],
      [http2Cluster('server', server.port), http2Cluster('dead', dead.port)],
    ),
  );
  client = new GrpcClient(proxy.port('main'));
});

after(async () => {
  client?.close();
  await proxy?.stop();
  server?.close();
});

function headerMatch(name: string): Json {
  return { match: { prefix: '/test.Echo/', headers: [{ name, present_match: true }] } };
}

function metadata(fields: Record<string, string>): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
}

test('a unary call: message, metadata as text and bytes in both directions, and trailers', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  const bytes = Buffer.from([0, 255, 1, 254, 10, 13]);
  let seen: grpc.Metadata | undefined;
  server.methods = {
    Unary: (call, done) => {
      seen = call.metadata;
      const initial = metadata({ 'x-initial': 'text' });
      initial.set('x-initial-bin', bytes);
      call.sendMetadata(initial);
      const trailing = metadata({ 'x-trailing': 'text' });
      trailing.add('x-trailing-bin', bytes);
      done(null, call.request, trailing);
    },
  };
  const asked = metadata({ 'x-asked': 'text' });
  asked.set('x-asked-bin', bytes);
  const answer = await client.unary('hello', asked);
  assert.equal(answer.message?.toString(), 'hello');
  assert.deepEqual([seen?.get('x-asked'), seen?.get('x-asked-bin')], [['text'], [bytes]]);
  assert.deepEqual([answer.metadata?.get('x-initial'), answer.metadata?.get('x-initial-bin')], [['text'], [bytes]]);
  assert.deepEqual(
    [answer.status.metadata.get('x-trailing'), answer.status.metadata.get('x-trailing-bin')],
    [['text'], [bytes]],
  );
  const empty = await client.unary('');
  assert.deepEqual([empty.error, empty.message?.length], [null, 0]);
});

test('a large message passes whole', async () => {
  const message = Buffer.alloc(3_000_000, 'x');
  message.write('begin');
  const { message: answer } = await client.unary(message);
  assert.ok(answer?.equals(message));
});

test('many calls at once share connections and are told apart', async () => {
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.unary(`call ${i}`)));
  answers.forEach((answer, i) => {
    assert.equal(answer.message?.toString(), `call ${i}`);
  });
});

test('1,000 messages each way: to the server, to the client, and both at once', async () => {
  const uploaded = new Promise((resolve, reject) => {
    const call = client.upload((error, message) => (error === null ? resolve(message?.toString()) : reject(error)));
    for (let i = 0; i < 1000; i++) call.write(Buffer.from(`message ${i}`));
    call.end();
  });
  assert.equal(await uploaded, '1000');
  const expected = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  const downloaded = await collect(client.download('1000'));
  assert.deepEqual([downloaded.messages, downloaded.status.code], [expected, grpc.status.OK]);
  const call = client.chat();
  const chatted = collect(call);
  for (const message of expected) call.write(Buffer.from(message));
  call.end();
  assert.deepEqual((await chatted).messages, expected);
});

test('a conversation goes on message by message', async () => {
  const call = client.chat();
  call.on('error', () => {});
  for (let i = 0; i < 50; i++) {
    call.write(Buffer.from(`ping ${i}`));
    const [answer] = await once(call, 'data');
    assert.equal(String(answer), `ping ${i}`);
  }
  call.end();
  await once(call, 'status');
});

test('errors come with their status, message and details; also without any body', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  const details = Buffer.from([8, 5, 18, 3, 97, 98, 99]);
  server.methods = {
    Unary: (call, done) => {
      const trailing = new grpc.Metadata();
      trailing.set('grpc-status-details-bin', details);
      if (call.request.length > 0) call.sendMetadata(new grpc.Metadata());
      done({ code: grpc.status.NOT_FOUND, details: 'kein Buch: é %', metadata: trailing });
    },
  };
  for (const message of ['', 'with headers first']) {
    const { error } = await client.unary(message);
    assert.equal(error?.code, grpc.status.NOT_FOUND);
    assert.equal(error?.details, 'kein Buch: é %');
    assert.deepEqual(error?.metadata.get('grpc-status-details-bin'), [details]);
  }
});

test("answers of the proxy's own are gRPC statuses, and are logged so", async () => {
  const unknown = await client.unary('', undefined, {}, '/other.Service/Method');
  assert.equal(unknown.error?.code, grpc.status.UNIMPLEMENTED);
  const dead = await client.unary('', metadata({ 'x-dead': '1' }));
  assert.equal(dead.error?.code, grpc.status.UNAVAILABLE);
  assert.match(dead.error?.details ?? '', /remote connection failure/);
  const line = await waitFor('log', () => /^\/other.*$/m.exec(readFileSync(`${proxy.dir}/log`, 'utf8')));
  assert.equal(line[0], '/other.Service/Method 200 Unimplemented NR route_not_found');
});

test('a deadline ends the call on all sides', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  const cancelled = new Promise<string | undefined>((resolve) => {
    server.methods = {
      Unary: (call) => {
        call.on('cancelled', () => resolve(call.metadata.get('grpc-timeout')[0]?.toString()));
      },
    };
  });
  const { error } = await client.unary('', undefined, { deadline: Date.now() + 200 });
  assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
  await cancelled;
});

test('a route caps the deadline, and the client hears of it', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  server.methods = { Unary: () => {} };
  const began = Date.now();
  const { error } = await client.unary('', metadata({ 'x-capped': '1' }), { deadline: Date.now() + 20_000 });
  assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
  assert.ok(Date.now() - began < 5000);
});

test('cancelling reaches the server', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  const cancelled = new Promise<void>((resolve) => {
    server.methods = {
      Chat: (call) => {
        call.on('cancelled', () => resolve());
        call.on('error', () => {});
        call.write(Buffer.from('here'));
      },
    };
  });
  const call = client.chat();
  call.on('error', () => {});
  await once(call, 'data');
  const ended = collect(call);
  call.cancel();
  assert.equal((await ended).status.code, grpc.status.CANCELLED);
  await cancelled;
});

test('a call that the server refuses at once is tried again', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let calls = 0;
  server.methods = {
    Unary: (call, done) => {
      calls++;
      if (calls < 3) done({ code: grpc.status.UNAVAILABLE, details: 'not yet' });
      else done(null, call.request);
    },
  };
  const { error, message } = await client.unary('again', metadata({ 'x-retried': '1' }));
  assert.deepEqual([error, message?.toString(), calls], [null, 'again', 3]);
});

test('a client that does not read stops the server: the proxy holds little', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  const chunk = Buffer.alloc(16_384, 'x');
  const total = 4096;
  let written = 0;
  server.methods = {
    Download: async (call) => {
      for (let i = 0; i < total; i++) {
        written++;
        if (!call.write(chunk)) await once(call, 'drain');
      }
      call.end();
    },
  };
  // The client of grpc-js reads whatever comes: this one is HTTP/2 alone.
  const session = http2.connect(`http://127.0.0.1:${proxy.port('main')}`);
  t.after(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Echo/Download',
    'content-type': 'application/grpc',
  });
  stream.end(frameMessage(Buffer.alloc(0)));
  await once(stream, 'response');
  await delay(300);
  const held = written;
  await delay(200);
  // Windows, buffers of sockets and of the proxy: far from the 64 MiB that are to come.
  assert.ok(written - held < 8, `${written - held} messages went on while nobody read`);
  assert.ok(written * chunk.length < 16 * 1024 * 1024, `${written} messages were taken`);
  let received = 0;
  stream.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  const [trailers] = await once(stream, 'trailers');
  assert.deepEqual([trailers['grpc-status'], received], ['0', total * (chunk.length + 5)]);
});

test('a server that does not read stops the client', async (t) => {
  t.after(() => {
    server.methods = {};
  });
  let resume = () => {};
  let received = 0;
  server.methods = {
    Upload: (call, done) => {
      call.pause();
      resume = () => call.resume();
      call.on('data', (message: Buffer) => {
        received += message.length;
      });
      call.on('end', () => done(null, Buffer.from(String(received))));
    },
  };
  const chunk = Buffer.alloc(16_384, 'x');
  const total = 2048;
  let written = 0;
  const uploaded = new Promise<string | undefined>((resolve, reject) => {
    const call = client.upload((error, message) => (error === null ? resolve(message?.toString()) : reject(error)));
    const write = async () => {
      for (let i = 0; i < total; i++) {
        written++;
        if (!call.write(chunk)) await once(call, 'drain');
      }
      call.end();
    };
    write();
  });
  await delay(400);
  assert.ok(written * chunk.length < 16 * 1024 * 1024, `${written} messages were taken`);
  resume();
  assert.equal(await uploaded, String(total * chunk.length));
});

test('a server that goes away in the middle of a stream is told to the client', async (t) => {
  const own = await startGrpcServer({
    Chat: (call) => {
      call.on('error', () => {});
      call.write(Buffer.from('here'));
    },
  });
  const other = await startProxy(
    bootstrap([httpListener('main', [route('/', 'own')])], [http2Cluster('own', own.port)]),
  );
  const peer = new GrpcClient(other.port('main'));
  t.after(async () => {
    peer.close();
    await other.stop();
  });
  const call = peer.chat();
  const ended = collect(call);
  await once(call, 'data');
  own.close();
  const { status } = await ended;
  assert.ok([grpc.status.UNAVAILABLE, grpc.status.INTERNAL, grpc.status.CANCELLED].includes(status.code));
});

test('over TLS, HTTP/2 chosen by ALPN', async (t) => {
  const authority = new TestAuthority();
  t.after(() => authority.remove());
  const certificate = authority.make('server', { names: ['DNS:server.test'] });
  const common = { alpn_protocols: ['h2', 'http/1.1'], tls_certificates: [certificateFiles(certificate)] };
  const plain = httpListener('main', [route('/', 'server', { timeout: '0s' })]);
  const [chain] = plain['filter_chains'] as Json[];
  const secured = { ...plain, filter_chains: [{ ...chain, transport_socket: downstreamTls(common) }] };
  const edge = await startProxy(bootstrap([secured], [http2Cluster('server', server.port)]));
  const peer = new GrpcClient(
    edge.port('main'),
    { 'grpc.ssl_target_name_override': 'server.test' },
    grpc.credentials.createSsl(Buffer.from(authority.ca)),
  );
  t.after(async () => {
    peer.close();
    await edge.stop();
  });
  const answer = await peer.unary('hello');
  assert.deepEqual([answer.error?.details, answer.message?.toString()], [undefined, 'hello']);
  const { messages, status } = await collect(peer.download('1000'));
  assert.deepEqual([messages.length, status.code], [1000, grpc.status.OK]);
});

test('counters of all this', async () => {
  assert.ok((await proxy.stat('http.ingress.downstream_rq_http2_total')) > 1000);
  assert.ok((await proxy.stat('cluster.server.upstream_cx_http2_total')) >= 1);
  await waitFor('no call left', async () => (await proxy.stat('cluster.server.upstream_rq_active')) === 0);
});

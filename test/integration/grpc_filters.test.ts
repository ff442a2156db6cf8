/** The examples of config/ about gRPC with real peers: browsers' gRPC-Web, JSON for a gRPC service, HTTP/1 on either side. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { frameMessage, MessageReader } from '../../native-free/grpc/message_framing.ts';
import { type Bookstore, startBookstore } from '../support/bookstore.ts';
import { GrpcClient, type GrpcServer, startGrpcServer } from '../support/grpc.ts';
import { type RunningProxy, root, startProxy } from '../support/proxy.ts';
import { waitFor } from '../support/wait_for.ts';

let server: GrpcServer;
let bookstore: Bookstore;
before(async () => {
  server = await startGrpcServer();
  bookstore = await startBookstore();
});
after(() => {
  server?.close();
  bookstore?.close();
});

/** Starts an example with its own ports freed and its upstream ports given. */
async function startExample(t: TestContext, name: string, upstreams: Record<number, number>): Promise<RunningProxy> {
  const text = readFileSync(path.join(root, 'config', name), 'utf8')
    .replaceAll('0.0.0.0', '127.0.0.1')
    .replace('config/grpc/', `${root}/config/grpc/`)
    .replace(/port_value: *(\d+)/g, (_all, port) => `port_value: ${upstreams[port] ?? 0}`);
  const proxy = await startProxy(text);
  t.after(() => proxy.stop());
  return proxy;
}

interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
}

async function post(
  url: string,
  type: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': type, ...headers }, body });
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
}

/** The messages and the trailers of a gRPC-Web body. */
function readWeb(body: Buffer): { messages: string[]; trailers: string } {
  const messages: string[] = [];
  let trailers = '';
  new MessageReader(1_000_000).push(body, (message, flags) => {
    const text = Buffer.from(message).toString();
    if ((flags & 0x80) !== 0) trailers += text;
    else messages.push(text);
  });
  return { messages, trailers };
}

test('grpc-web.yaml: a browser calls gRPC, in binary and as text', async (t) => {
  const proxy = await startExample(t, 'grpc-web.yaml', { 50051: server.port });
  const url = `http://127.0.0.1:${proxy.port('main')}/test.Echo`;
  const binary = await post(`${url}/Unary`, 'application/grpc-web+proto', frameMessage(Buffer.from('hello')) as Buffer);
  assert.equal(binary.headers.get('content-type'), 'application/grpc-web+proto');
  const read = readWeb(binary.body);
  assert.deepEqual(read.messages, ['hello']);
  assert.match(read.trailers, /^grpc-status:0\r\n/m);
  const asked = Buffer.from(frameMessage(Buffer.from('50'))).toString('base64');
  const text = await post(`${url}/Download`, 'application/grpc-web-text', asked, {
    accept: 'application/grpc-web-text',
  });
  assert.equal(text.headers.get('content-type'), 'application/grpc-web-text+proto');
  // Each message is a base64 text of its own.
  const frames = text.body.toString().match(/[^=]+=*/g) ?? [];
  const stream = readWeb(Buffer.concat(frames.map((frame) => Buffer.from(frame, 'base64'))));
  assert.deepEqual(
    stream.messages,
    Array.from({ length: 50 }, (_, i) => `message ${i}`),
  );
  const counters = 'cluster.service.grpc-web.test.Echo';
  await waitFor('counters', async () => (await proxy.stat(`${counters}.Download.success`)) === 1);
  assert.equal(await proxy.stat(`${counters}.Unary.total`), 1);
});

test('grpc-web.yaml: calls of gRPC clients pass and are counted', async (t) => {
  const proxy = await startExample(t, 'grpc-web.yaml', { 50051: server.port });
  const client = new GrpcClient(proxy.port('main'));
  t.after(() => client.close());
  for (let i = 0; i < 3; i++) assert.equal((await client.unary('x')).message?.toString(), 'x');
  const failed = await client.unary('', undefined, {}, '/test.Echo/Missing');
  assert.equal(failed.error?.code, grpc.status.UNIMPLEMENTED);
  const counters = 'cluster.service.grpc.test.Echo';
  await waitFor('counters', async () => (await proxy.stat(`${counters}.Missing.failure`)) === 1);
  assert.equal(await proxy.stat(`${counters}.Unary.success`), 3);
  assert.equal(await proxy.stat(`${counters}.Unary.request_message_count`), 3);
  assert.equal(await proxy.stat(`${counters}.Unary.response_message_count`), 3);
  assert.equal(await proxy.stat(`${counters}.Missing.12`), 1);
});

test('grpc-json.yaml: JSON over HTTP for a gRPC service', async (t) => {
  const proxy = await startExample(t, 'grpc-json.yaml', { 50051: bookstore.port });
  const url = `http://127.0.0.1:${proxy.port('main')}/v1`;
  const get = async (target: string) => {
    const answer = await fetch(url + target);
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const one = await get('/shelves/7?name=%C3%A9');
  assert.deepEqual([one.status, one.json['id'], one.json['theme'], one.json['open']], [200, '7', 'shelf 7 é', false]);
  const missing = await get('/shelves/404');
  assert.deepEqual(missing, { status: 404, json: { code: 5, message: 'no such shelf: é', details: [] } });
  const listed = await get('/shelves?limit=1000');
  assert.deepEqual(
    (listed.json as unknown as { id: string }[]).map(({ id }) => id),
    Array.from({ length: 1000 }, (_, i) => String(i + 1)),
  );
  const made = await post(`${url}/shelves`, 'application/json', '{"theme":"new","books":[{"title":"t"}]}');
  assert.equal(JSON.parse(made.body.toString()).books[0].title, 't');
  const bulk = JSON.stringify(Array.from({ length: 1000 }, (_, i) => ({ shelf: { theme: String(i) } })));
  const many = await post(`${url}/shelves:bulk`, 'application/json', bulk);
  assert.equal(JSON.parse(many.body.toString()).theme, [...Array(1000).keys()].join());
  const wrong = await post(`${url}/shelves`, 'application/json', '{"theme":1}');
  assert.deepEqual([wrong.status, wrong.body.toString()], [400, 'shelf.theme: invalid value 1 for type TYPE_STRING']);
  assert.equal((await fetch(`${url}/nowhere`)).status, 404);
});

test('grpc-bridges.yaml: HTTP/1 clients of a gRPC service', async (t) => {
  const proxy = await startExample(t, 'grpc-bridges.yaml', { 50051: server.port });
  const url = `http://127.0.0.1:${proxy.port('to_grpc')}/test.Echo`;
  const framed = await post(`${url}/Unary`, 'application/grpc', frameMessage(Buffer.from('hello')) as Buffer);
  assert.deepEqual([framed.status, framed.headers.get('grpc-status')], [200, '0']);
  assert.deepEqual(readWeb(framed.body).messages, ['hello']);
  const bare = await post(`${url}/Unary`, 'application/x-protobuf', 'hello');
  assert.deepEqual([bare.status, bare.headers.get('content-length'), bare.body.toString()], [200, '5', 'hello']);
  server.methods = { Unary: (_call, done) => done({ code: grpc.status.ABORTED, details: 'no: é' }) };
  const failed = await post(`${url}/Unary`, 'application/x-protobuf', 'hello');
  server.methods = {};
  assert.equal(failed.headers.get('grpc-status'), '10');
  assert.equal(failed.headers.get('grpc-message'), 'no:%20%C3%A9');
});

test('grpc-bridges.yaml: gRPC clients of a plain host', async (t) => {
  const plain = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      response.statusCode = request.url === '/test.Echo/Unary' ? 200 : 404;
      response.setHeader('content-type', request.headers['content-type'] ?? '');
      response.end(`${request.headers['content-length'] ?? 'chunked'} ${Buffer.concat(chunks)}`);
    });
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  t.after(() => {
    plain.closeAllConnections();
    plain.close();
  });
  const proxy = await startExample(t, 'grpc-bridges.yaml', { 8082: (plain.address() as AddressInfo).port });
  const client = new GrpcClient(proxy.port('to_plain'));
  t.after(() => client.close());
  const answer = await client.unary('hello');
  assert.deepEqual([answer.error, answer.message?.toString()], [null, 'chunked hello']);
  const missing = await client.unary('hello', undefined, {}, '/test.Echo/Other');
  assert.equal(missing.error?.code, grpc.status.UNIMPLEMENTED);
});

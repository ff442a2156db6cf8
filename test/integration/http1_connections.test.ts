/** HTTP/1 connections through the real proxy: keep-alive, pipelining, framing both ways, HEAD, 100-continue, early and late ends. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let port: number;

before(async () => {
  upstream = await startUpstream();
  proxy = await startProxy(
    bootstrap([httpListener('main', [route('/', 'a', { timeout: '5s' })])], [cluster('a', [upstream.port])]),
  );
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

/** The request the upstream saw last. */
function seen() {
  return upstream.requests[upstream.requests.length - 1];
}

test('a client connection and an upstream connection serve many requests', async () => {
  const client = await RawClient.connect(port);
  const first = upstream.requests.length;
  for (let i = 0; i < 20; i++) {
    client.send(requestBytes(`/keep/${i}`));
    const response = await client.response();
    assert.equal(response.text, `GET /keep/${i}\n`);
    assert.equal(response.get('connection'), undefined);
  }
  const connections = new Set(upstream.requests.slice(first).map((r) => r.connection));
  assert.equal(connections.size, 1);
  client.destroy();
});

test('pipelined requests are answered in order', async () => {
  const client = await RawClient.connect(port);
  const paths = Array.from({ length: 10 }, (_, i) => `/pipe/${i}`);
  client.send(Buffer.concat(paths.map((path) => requestBytes(path))));
  for (const path of paths) assert.equal((await client.response()).text, `GET ${path}\n`);
  client.destroy();
});

test('a request split at every byte is understood', async () => {
  const client = await RawClient.connect(port);
  for (const byte of requestBytes('/slow/head', { method: 'POST', body: 'abc' })) client.send(Buffer.of(byte));
  assert.equal((await client.response('POST')).text, 'POST /slow/head\n');
  assert.equal(seen().body.toString(), 'abc');
  client.destroy();
});

test('connection: close is answered in kind and nothing behind it is read', async () => {
  const client = await RawClient.connect(port);
  const before = upstream.requests.length;
  client.send(Buffer.concat([requestBytes('/last', { headers: { connection: 'close' } }), requestBytes('/never')]));
  const response = await client.response();
  assert.equal(response.get('connection'), 'close');
  client.end();
  assert.equal((await client.untilClosed()).length, 0);
  assert.deepEqual(
    upstream.requests.slice(before).map((r) => r.path),
    ['/last'],
  );
});

test('a chunked request goes on chunked', async () => {
  const client = await RawClient.connect(port);
  client.send('POST /chunks HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
  client.send('5\r\nhello\r\n');
  client.send('6;name=value\r\n world\r\n');
  client.send('0\r\nX-Trailer: dropped\r\n\r\n');
  assert.equal((await client.response('POST')).status, 200);
  assert.equal(seen().body.toString(), 'hello world');
  assert.equal(seen().get('transfer-encoding'), 'chunked');
  assert.equal(seen().get('content-length'), undefined);
  assert.deepEqual(seen().trailers, []);
  client.destroy();
});

test('a chunked response goes on chunked, its trailers are dropped', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n');
    },
  };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/'));
  const response = await client.response();
  assert.equal(response.text, 'hello!');
  assert.equal(response.get('transfer-encoding'), 'chunked');
  assert.deepEqual(response.trailers, []);
  client.send(requestBytes('/again'));
  assert.equal((await client.response()).text, 'hello!');
  client.destroy();
  upstream.script = {};
});

test('a close-delimited response becomes chunked and the client connection stays', async () => {
  upstream.script = { respond: (_request, socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end') };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/'));
  const response = await client.response();
  assert.equal(response.text, 'until the end');
  assert.equal(response.get('transfer-encoding'), 'chunked');
  upstream.script = {};
  client.send(requestBytes('/next'));
  assert.equal((await client.response()).text, 'GET /next\n');
  client.destroy();
});

test('a HEAD response keeps its content-length and has no body', async () => {
  upstream.script = { respond: (_request, socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n') };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/head', { method: 'HEAD' }));
  const response = await client.response('HEAD');
  assert.equal(response.get('content-length'), '1234');
  upstream.script = {};
  client.send(requestBytes('/next'));
  assert.equal((await client.response()).text, 'GET /next\n');
  client.destroy();
});

for (const status of [204, 304]) {
  test(`a ${status} has no body and the connection goes on`, async () => {
    upstream.script = { respond: (_request, socket) => socket.write(`HTTP/1.1 ${status} X\r\nETag: "1"\r\n\r\n`) };
    const client = await RawClient.connect(port);
    client.send(requestBytes('/none'));
    const response = await client.response();
    assert.equal(response.status, status);
    assert.equal(response.get('transfer-encoding'), undefined);
    upstream.script = {};
    client.send(requestBytes('/next'));
    assert.equal((await client.response()).text, 'GET /next\n');
    client.destroy();
  });
}

test('expect: 100-continue is answered by the proxy and not passed on', async () => {
  const client = await RawClient.connect(port);
  client.send('POST /expect HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  assert.equal((await client.response('POST')).startLine, 'HTTP/1.1 100 Continue');
  client.send('body');
  assert.equal((await client.response('POST')).status, 200);
  assert.equal(seen().get('expect'), undefined);
  assert.equal(seen().body.toString(), 'body');
  client.destroy();
});

test('informational responses from upstream are swallowed', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n');
      respond(socket, { body: 'final' });
    },
  };
  const response = await request(port, '/');
  assert.equal(response.status, 200);
  assert.equal(response.text, 'final');
  upstream.script = {};
});

test('the absolute form of a target replaces the host', async () => {
  const client = await RawClient.connect(port);
  client.send('GET http://other.test:81/abs?q=1 HTTP/1.1\r\nHost: ignored\r\n\r\n');
  assert.equal((await client.response()).text, 'GET /abs?q=1\n');
  assert.equal(seen().get('host'), 'other.test:81');
  client.destroy();
});

test('hop-by-hop fields and those named by Connection are not passed on', async () => {
  const headers = {
    Connection: 'keep-alive, X-Hop',
    'Keep-Alive': 'timeout=5',
    'Proxy-Connection': 'keep-alive',
    'X-Hop': '1',
    TE: 'gzip, trailers',
    'X-End': 'kept',
  };
  assert.equal((await request(port, '/hop', { headers })).status, 200);
  const names = seen().headers.map(([name]) => name);
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'x-hop']) assert.ok(!names.includes(name), name);
  assert.equal(seen().get('te'), 'trailers');
  assert.equal(seen().get('x-end'), 'kept');
});

test('header names go on in lower case, in order, with what the proxy adds behind them', async () => {
  const client = await RawClient.connect(port);
  client.send('GET /order HTTP/1.1\r\nB-Header: 2\r\nHost: test\r\nA-Header: 1\r\nB-Header: 3\r\n\r\n');
  await client.response();
  assert.deepEqual(
    seen().headers.map(([name]) => name),
    ['host', 'b-header', 'a-header', 'b-header', 'x-forwarded-proto', 'x-request-id', 'x-envoy-expected-rq-timeout-ms'],
  );
  assert.equal(seen().get('x-forwarded-proto'), 'http');
  assert.equal(seen().get('x-envoy-expected-rq-timeout-ms'), '5000');
  assert.match(
    seen().get('x-request-id') ?? '',
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  client.destroy();
});

test('a response gets server, date and the upstream time, and the standard reason phrase', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.write(
        'HTTP/1.1 200 Fine\r\nServer: apache\r\nX-Envoy-Upstream-Service-Time: 99999\r\nContent-Length: 0\r\n\r\n',
      );
    },
  };
  const response = await request(port, '/');
  upstream.script = {};
  assert.equal(response.startLine, 'HTTP/1.1 200 OK');
  assert.equal(response.get('server'), 'envoy');
  assert.ok(Math.abs(Date.parse(response.get('date') ?? '') - Date.now()) < 5000);
  assert.ok(Number(response.get('x-envoy-upstream-service-time')) < 5000);
});

test('HTTP/1.0 is refused with 426', async () => {
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.0\r\nHost: test\r\n\r\n');
  const response = await client.response();
  assert.equal(response.status, 426);
  assert.equal(response.text, 'Upgrade Required');
  assert.equal(response.get('connection'), 'close');
  client.destroy();
});

test('a client that goes away ends the request upstream', async () => {
  upstream.script = { onHead: () => true };
  const client = await RawClient.connect(port);
  const before = upstream.requests.length;
  client.send(requestBytes('/abandoned'));
  await waitFor('request upstream', () => upstream.requests.length > before);
  const socket = upstream.connections[seen().connection];
  client.destroy();
  await waitFor('end of the upstream connection', () => socket.readableEnded || socket.destroyed);
  upstream.script = {};
  assert.equal((await request(port, '/after')).status, 200);
});

test('a client FIN while the answer is pending cancels the request', async () => {
  upstream.script = { onHead: () => true };
  const client = await RawClient.connect(port);
  const before = upstream.requests.length;
  client.send(requestBytes('/half-closed'));
  await waitFor('request upstream', () => upstream.requests.length > before);
  const socket = upstream.connections[seen().connection];
  client.end();
  await waitFor('end of the upstream connection', () => socket.readableEnded || socket.destroyed);
  assert.equal((await client.untilClosed()).length, 0);
  upstream.script = {};
});

test('a body cut by the client is never completed upstream', async () => {
  const before = upstream.requests.length;
  const client = await RawClient.connect(port);
  client.send('POST /cut HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf');
  await waitFor('request upstream', () => upstream.requests.length > before);
  client.destroy();
  await waitFor('end upstream', () => seen().aborted);
  assert.equal(seen().path, '/cut');
  assert.equal(seen().complete, false);
});

test('an answer before the end of the request body is delivered', async () => {
  upstream.script = {
    onHead: (_request, socket) => {
      respond(socket, { status: 403, body: 'no' });
      return true;
    },
  };
  const client = await RawClient.connect(port);
  client.send('POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nfirst');
  const response = await client.response('POST');
  assert.equal(response.status, 403);
  assert.equal(response.text, 'no');
  assert.ok(await client.closes(3000), 'the rest of the body is not read');
  upstream.script = {};
});

test('many connections at once each get their own answers', async () => {
  const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.connect(port)));
  await Promise.all(
    clients.map(async (client, c) => {
      for (let i = 0; i < 10; i++) {
        const body = `c${c}-${i}`;
        client.send(requestBytes(`/c/${c}/${i}`, { method: 'POST', body }));
        assert.equal((await client.response('POST')).text, `POST /c/${c}/${i}\n`);
      }
      client.destroy();
    }),
  );
});

test('a FIN behind a request on an idle connection ends it without an error', async () => {
  const client = await RawClient.connect(port);
  client.send(requestBytes('/bye'));
  await client.response();
  client.end();
  assert.equal((await client.untilClosed()).length, 0);
  assert.equal(client.error, undefined);
});

test('statistics count all of it', async () => {
  const stats = await proxy.admin('/stats?filter=^http\\.ingress\\.downstream_(rq|cx)_(total|active|protocol_error)$');
  const values = new Map([...stats.text.matchAll(/^(\S+): (\d+)$/gm)].map((m) => [m[1], Number(m[2])]));
  assert.ok((values.get('http.ingress.downstream_rq_total') ?? 0) > 500);
  await waitFor('no active request', async () => (await proxy.stat('http.ingress.downstream_rq_active')) === 0);
  assert.equal(values.get('http.ingress.downstream_cx_protocol_error'), 1);
});

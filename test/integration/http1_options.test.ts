/** HTTP/1 options through the real proxy: HTTP/1.0, trailers, spelling of header names, 100-continue, and limits of connections. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';

let proxy: RunningProxy;
let upstream: Upstream;

const preserveCase = {
  stateful_formatter: {
    name: 'preserve_case',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
    },
  },
};
const properCase = { proper_case_words: {} };

function clusterWith(name: string, http1: Json): Json {
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const options = { '@type': `type.googleapis.com/${type}`, explicit_http_config: { http_protocol_options: http1 } };
  return cluster(name, [upstream.port], { typed_extension_protocol_options: { [type]: options } });
}

before(async () => {
  upstream = await startUpstream();
  const listener = (name: string, to: string, manager: Json) => httpListener(name, [route('/', to)], manager);
  proxy = await startProxy(
    bootstrap(
      [
        listener('http10', 'a', {
          http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'd.test' },
        }),
        listener('trailers', 'trailers', { http_protocol_options: { enable_trailers: true } }),
        listener('proper', 'proper', { http_protocol_options: { header_key_format: properCase } }),
        listener('preserve', 'preserve', { http_protocol_options: { header_key_format: preserveCase } }),
        listener('continue', 'a', { proxy_100_continue: true }),
        listener('idle', 'a', { common_http_protocol_options: { idle_timeout: '0.2s' }, drain_timeout: '0.4s' }),
        listener('aging', 'a', {
          common_http_protocol_options: { max_connection_duration: '0.2s' },
          drain_timeout: '5s',
          delayed_close_timeout: '0.1s',
        }),
        listener('heads', 'a', { request_headers_timeout: '0.3s' }),
      ],
      [
        cluster('a', [upstream.port]),
        clusterWith('trailers', { enable_trailers: true }),
        clusterWith('proper', { header_key_format: properCase }),
        clusterWith('preserve', { header_key_format: preserveCase }),
      ],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

test('HTTP/1.0 keeps a connection only on demand and when the length is known', async () => {
  upstream.script = {};
  const client = await RawClient.connect(proxy.port('http10'));
  client.send('GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  const first = await client.response();
  assert.deepEqual([first.startLine, first.get('connection')], ['HTTP/1.0 200 OK', 'keep-alive']);
  assert.equal(upstream.requests.at(-1)!.get('host'), 'd.test');
  upstream.script = {
    respond: (_request, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n'),
  };
  client.send('GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  const second = await client.response();
  assert.deepEqual(
    [second.get('connection'), second.get('transfer-encoding'), second.text],
    ['close', undefined, 'abc'],
  );
  client.destroy();
});

test('trailers pass when both sides have them on', async () => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  upstream.script = {
    respond: (_request, socket) => socket.write(`${head}1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n`),
  };
  const client = await RawClient.connect(proxy.port('trailers'));
  client.send(
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Up: 2\r\nHost: evil\r\n\r\n',
  );
  assert.deepEqual((await client.response()).trailers, [['x-sum', '1']]);
  assert.deepEqual(upstream.requests.at(-1)!.trailers, [['x-up', '2']]);
  client.destroy();
});

test('proper_case_words spells the names on both sides', async () => {
  upstream.script = { respond: (_request, socket) => respond(socket, { headers: { 'x-a_b-3c': '1' }, body: 'ok' }) };
  const client = await RawClient.connect(proxy.port('proper'));
  client.send(requestBytes('/', { headers: { 'X-ODD': '1' } }));
  assert.match(
    (await client.response()).head,
    /\r\nX-A_B-3c: 1\r\nContent-Length: 2\r\n.*\r\nDate: .*\r\nServer: envoy\r\n/s,
  );
  assert.match(
    upstream.requests.at(-1)!.head,
    /^GET \/ HTTP\/1\.1\r\nHost: test\r\nX-Odd: 1\r\nX-Forwarded-Proto: http\r\n/,
  );
  client.destroy();
});

test('preserve_case hands the names on as they came', async () => {
  upstream.script = { respond: (_request, socket) => respond(socket, { headers: { 'X-oDD': '1', SERVER: 'x' } }) };
  const client = await RawClient.connect(proxy.port('preserve'));
  client.send(
    'POST / HTTP/1.1\r\nHOST: h\r\nX-tWo: 1\r\nx-TWO: 2\r\ntransfer-ENCODING: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
  );
  assert.match((await client.response()).head, /\r\nX-oDD: 1\r\nSERVER: envoy\r\n/);
  const { head } = upstream.requests.at(-1)!;
  assert.match(head, /^POST \/ HTTP\/1\.1\r\nHOST: h\r\nX-tWo: 1\r\nX-tWo: 2\r\nx-forwarded-proto: http\r\n/);
  assert.match(head, /\r\ntransfer-ENCODING: chunked\r\n\r\n$/);
  client.destroy();
});

test('proxy_100_continue leaves the word to the host', async () => {
  upstream.script = {
    onHead: (_request, socket) => {
      socket.write('HTTP/1.1 100 Continue\r\nx-host: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n');
      return false;
    },
  };
  const client = await RawClient.connect(proxy.port('continue'));
  client.send('POST /c HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  const first = await client.response();
  assert.deepEqual([first.status, first.get('x-host')], [100, '1']);
  assert.equal(upstream.requests.at(-1)!.get('expect'), '100-continue');
  client.send('hi');
  assert.equal((await client.response()).status, 200);
  client.destroy();
});

test('an idle connection still serves within drain_timeout, then closes', async () => {
  upstream.script = {};
  const client = await RawClient.connect(proxy.port('idle'));
  client.send(requestBytes('/1'));
  await client.response();
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.equal(client.closed, false);
  client.send(requestBytes('/2'));
  assert.equal((await client.response()).get('connection'), 'close');
  assert.equal(await client.closes(2000), true);
  client.destroy();
  const silent = await RawClient.connect(proxy.port('idle'));
  assert.equal(await silent.closes(350), true);
  silent.destroy();
});

test('a connection past max_connection_duration ends with its next answer', async () => {
  upstream.script = {};
  const client = await RawClient.connect(proxy.port('aging'));
  client.send(requestBytes('/1'));
  assert.equal((await client.response()).get('connection'), undefined);
  await new Promise((resolve) => setTimeout(resolve, 300));
  client.send(requestBytes('/2'));
  assert.equal((await client.response()).get('connection'), 'close');
  assert.equal(await client.closes(1000), true);
  client.destroy();
});

test('a head that drips does not outlast request_headers_timeout', async () => {
  const client = await RawClient.connect(proxy.port('heads'));
  const dripping = setInterval(() => client.send('a'), 50);
  client.send('GET / HTTP/1.1\r\nhost: h\r\n');
  const response = await client.response('GET', 1500);
  clearInterval(dripping);
  assert.deepEqual([response.status, response.text], [408, 'request header timeout']);
  client.destroy();
});

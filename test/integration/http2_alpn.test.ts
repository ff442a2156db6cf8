/** Which protocol a TLS connection speaks: what ALPN has agreed on, and the first bytes where it has agreed on nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { TestAuthority } from '../support/certificates.ts';
import { request2 } from '../support/http2_client.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { certificateFiles, downstreamTls, tlsGet } from '../support/tls.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let port: number;
const authority = new TestAuthority();

before(async () => {
  upstream = await startUpstream();
  const certificate = certificateFiles(authority.make('a', { names: ['DNS:a.test'] }));
  const listener = httpListener('main', [route('/', 'a')]);
  const [chain] = listener['filter_chains'] as Json[];
  const common = { tls_certificates: [certificate], alpn_protocols: ['h2', 'http/1.1'] };
  const secured = { ...listener, filter_chains: [{ ...chain, transport_socket: downstreamTls(common) }] };
  proxy = await startProxy(bootstrap([secured], [cluster('a', [upstream.port])]));
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  authority.remove();
});

test('h2 and http/1.1 are spoken as agreed, on one port', async () => {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  await once(session, 'remoteSettings');
  assert.equal(session.alpnProtocol, 'h2');
  const answers = await Promise.all([1, 2, 3].map((i) => request2(session, `/${i}`)));
  assert.deepEqual(
    answers.map(({ status, text }) => `${status} ${text}`),
    ['200 GET /1\n', '200 GET /2\n', '200 GET /3\n'],
  );
  assert.equal(upstream.requests[0].get('x-forwarded-proto'), 'https');
  session.destroy();
  const reply = await tlsGet(port, '/x', { ALPNProtocols: ['http/1.1'] });
  assert.deepEqual([reply.alpn, reply.text.endsWith('GET /x\n')], ['http/1.1', true]);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_http2_total'), 1);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_http1_total'), 1);
});

test('without ALPN the first bytes tell', async () => {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const session = http2.connect('https://a.test', { createConnection: () => socket });
  assert.equal((await request2(session, '/plain')).text, 'GET /plain\n');
  session.destroy();
});

test('bodies of a megabyte pass both ways over TLS', async () => {
  upstream.script = {
    respond: (request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${request.body.length}\r\n\r\n`);
      socket.write(request.body);
    },
  };
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const body = Buffer.alloc(1024 * 1024, 'abcdefg');
  const answers = await Promise.all([1, 2, 3].map(() => request2(session, '/echo', { ':method': 'POST' }, body)));
  assert.ok(answers.every((answer) => answer.body.equals(body)));
  session.destroy();
});

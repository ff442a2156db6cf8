/** The PROXY protocol towards hosts: both versions, TLVs, below TLS, and pools of a client's own for HTTP. */
import assert from 'node:assert/strict';
import type net from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, httpListener, type Json, route, tcpListener } from '../support/bootstrap.ts';
import { TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw_client.ts';
import { upstreamTls } from '../support/tls.ts';
import { startTcpUpstream, type Upstream } from '../support/upstream.ts';

const types = 'type.googleapis.com/envoy.extensions';

function proxied(config: Json, inner: Json): Json {
  const typed = {
    '@type': `${types}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
    config,
    transport_socket: inner,
  };
  return { transport_socket: { name: 'envoy.transport_sockets.upstream_proxy_protocol', typed_config: typed } };
}

const raw = { name: 'raw', typed_config: { '@type': `${types}.transport_sockets.raw_buffer.v3.RawBuffer` } };
const receives = (config: Json = {}) => ({
  listener_filters: [
    {
      name: 'p',
      typed_config: {
        '@type': `${types}.filters.listener.proxy_protocol.v3.ProxyProtocol`,
        allow_requests_without_proxy_protocol: true,
        ...config,
      },
    },
  ],
});
const passAll = { pass_through_tlvs: { match_type: 'INCLUDE_ALL' } };

let proxy: RunningProxy;
let authority: TestAuthority;
let host: Omit<Upstream, 'script'>;
let web: Omit<Upstream, 'script'>;
let secure: Omit<Upstream, 'script'>;
/** What each connection to a host has begun with. */
const seen: string[] = [];
let behindTls: Promise<string>;

before(async () => {
  authority = new TestAuthority();
  const certificate = authority.make('server', { names: ['DNS:a.test'] });
  host = await startTcpUpstream((socket) => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (!text.endsWith('hi')) return;
      seen.push(text);
      socket.end('seen');
    });
  });
  web = await startTcpUpstream((socket) => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      seen.push(text);
      text = '';
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
  });
  secure = await startTcpUpstream((socket) => {
    behindTls = new Promise((resolve) => {
      socket.once('readable', () => {
        const header = (socket.read(28) as Buffer).toString('latin1');
        const inside = new tls.TLSSocket(socket, { isServer: true, cert: certificate.cert, key: certificate.key });
        inside.on('error', () => {});
        inside.once('data', (bytes) => {
          resolve(header + bytes.toString('latin1'));
          inside.end('secure');
        });
      });
    });
  });
  proxy = await startProxy(
    bootstrap(
      [
        tcpListener('v1', 'v1'),
        { ...tcpListener('v2', 'v2'), ...receives(passAll) },
        {
          ...tcpListener('added', 'added', {
            proxy_protocol_tlvs: [{ type: 5, value: 'aWQ=' }],
            proxy_protocol_tlv_merge_policy: 'APPEND_IF_EXISTS_OR_ADD',
          }),
          ...receives(passAll),
        },
        { ...tcpListener('tls', 'tls'), ...receives() },
        httpListener('web', [route('/', 'web')], {}, receives()),
        httpListener('web2', [route('/', 'web2')], {}, receives()),
      ],
      [
        cluster('v1', [host.port], proxied({ version: 'V1' }, raw)),
        cluster('v2', [host.port], proxied({ version: 'V2', ...passAll }, raw)),
        cluster(
          'added',
          [host.port],
          proxied({ version: 'V2', ...passAll, added_tlvs: [{ type: 6, value: 'eA==' }] }, raw),
        ),
        cluster('tls', [secure.port], proxied({ version: 'V2' }, upstreamTls({}, { sni: 'a.test' }))),
        cluster('web', [web.port], proxied({ version: 'V1' }, raw)),
        cluster('web2', [web.port], proxied({ version: 'V2' }, raw)),
      ],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await host?.close();
  await web?.close();
  await secure?.close();
  authority?.remove();
});

const signature = '\r\n\r\n\0\r\nQUIT\n';
const ends = '\xcb\0\x71\x07\x0a\0\0\x01\x11\x5c\0\x50';
const v2 = (body: string) => `${signature}\x21\x11\0${String.fromCharCode(body.length)}${body}`;

async function exchange(name: string, ...sent: string[]): Promise<string> {
  const client = await RawClient.connect(proxy.port(name));
  for (const text of sent) client.send(text);
  const answer = (await client.untilClosed()).toString();
  client.destroy();
  return answer;
}

test('version 1 names the real ends where nobody told others', async () => {
  const client = await RawClient.connect(proxy.port('v1'));
  const { localPort } = client.socket as net.Socket;
  client.send('hi');
  await client.untilClosed();
  assert.equal(seen.pop(), `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${proxy.port('v1')}\r\nhi`);
});

test('version 2 passes on ends and TLVs as they were told', async () => {
  assert.equal(await exchange('v2', `${v2(`${ends}\x01\0\x02h2\x02\0\0`)}hi`), 'seen');
  assert.equal(seen.pop(), `${v2(`${ends}\x01\0\x02h2\x02\0\0`)}hi`);
});

test('TLVs of configuration are added, those of the cluster first', async () => {
  await exchange('added', `${v2(`${ends}\x01\0\x02h2`)}hi`);
  assert.equal(seen.pop(), `${v2(`${ends}\x06\0\x01x\x01\0\x02h2\x05\0\x02id`)}hi`);
});

test('the header goes before TLS', async () => {
  assert.equal(await exchange('tls', `${v2(ends)}hi`), 'secure');
  assert.equal(await behindTls, `${v2(ends)}hi`);
  assert.equal(await proxy.stat('cluster.tls.ssl.handshake'), 1);
});

test('each HTTP client has connections of its own, which it uses again', async () => {
  const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
  for (const port of ['1000', '1000', '2000']) {
    const client = await RawClient.connect(proxy.port('web'));
    client.send(`PROXY TCP4 203.0.113.7 10.0.0.1 ${port} 80\r\n${request}`);
    assert.equal((await client.response()).status, 200);
    client.destroy();
  }
  const begins = seen.splice(0).map((text) => text.slice(0, text.indexOf('\r\n')));
  assert.deepEqual(begins, [
    'PROXY TCP4 203.0.113.7 10.0.0.1 1000 80',
    'GET / HTTP/1.1',
    'PROXY TCP4 203.0.113.7 10.0.0.1 2000 80',
  ]);
  const client = await RawClient.connect(proxy.port('web2'));
  client.send(v2(ends) + request);
  assert.equal((await client.response()).status, 200);
  client.destroy();
  assert.ok(seen.pop()?.startsWith(`${v2(ends)}GET /`));
});

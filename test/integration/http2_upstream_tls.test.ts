/** The protocol of a host as TLS settles it: by ALPN, one protocol or the other; and whose name is asked for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { bootstrap, cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type Certificate, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { upstreamTls } from '../support/tls.ts';

interface SecureHost {
  readonly port: number;
  /** The server name and protocol of each connection. */
  readonly connections: string[];
  close(): void;
}

/** Tells the protocol of each request; with `speaksHttp2` it agrees to both. */
async function startSecureHost({ cert, key }: Certificate, speaksHttp2: boolean): Promise<SecureHost> {
  const connections: string[] = [];
  const sockets: TLSSocket[] = [];
  const server = speaksHttp2
    ? http2.createSecureServer({ cert, key, allowHTTP1: true })
    : https.createServer({ cert, key, ALPNProtocols: ['http/1.1'] });
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.push(socket);
    connections.push(`${socket.servername || '-'} ${socket.alpnProtocol || '-'}`);
  });
  server.on('request', (incoming: { httpVersion: string }, outgoing: { end(text: string): void }) => {
    outgoing.end(`HTTP/${incoming.httpVersion}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
let proxy: RunningProxy;
let modern: SecureHost;
let old: SecureHost;
let port: number;

before(async () => {
  const authority = new TestAuthority();
  const certificate = authority.make('host', { names: ['DNS:a.test', 'DNS:b.test'] });
  modern = await startSecureHost(certificate, true);
  old = await startSecureHost(certificate, false);
  const trust = { validation_context: { trusted_ca: { filename: authority.file('ca.pem') } } };
  const to = (name: string, host: SecureHost, options: Json, common: Json = trust) =>
    cluster(name, [host.port], {
      transport_socket: upstreamTls(common),
      typed_extension_protocol_options: { [extension]: { '@type': `type.googleapis.com/${extension}`, ...options } },
    });
  const names = { auto_sni: true, auto_san_validation: true };
  proxy = await startProxy(
    bootstrap(
      [
        httpListener(
          'main',
          ['auto_old', 'auto', 'explicit', 'named'].map((name) => route(`/${name}`, name)),
        ),
      ],
      [
        to('auto', modern, { auto_config: {} }),
        to('auto_old', old, { auto_config: {} }),
        to('explicit', modern, { explicit_http_config: { http2_protocol_options: {} } }),
        to('named', modern, {
          explicit_http_config: { http2_protocol_options: {} },
          upstream_http_protocol_options: names,
        }),
      ],
    ),
  );
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  modern?.close();
  old?.close();
});

test('auto_config speaks what the host prefers', async () => {
  for (let i = 0; i < 3; i++) assert.equal((await request(port, '/auto')).text, 'HTTP/2.0');
  assert.equal((await request(port, '/auto_old')).text, 'HTTP/1.1');
  assert.equal((await request(port, '/auto_old')).text, 'HTTP/1.1');
  assert.equal(await proxy.stat('cluster.auto.upstream_cx_http2_total'), 1);
  assert.equal(await proxy.stat('cluster.auto_old.upstream_cx_http1_total'), 1);
  assert.equal(await proxy.stat('cluster.auto_old.upstream_cx_http2_total'), 0);
  assert.deepEqual([modern.connections.at(-1), old.connections.at(-1)], ['- h2', '- http/1.1']);
});

test('HTTP/2 alone is asked for where it is configured', async () => {
  assert.equal((await request(port, '/explicit')).text, 'HTTP/2.0');
  assert.equal(modern.connections.at(-1), '- h2');
});

test('auto_sni: requests for one name share a connection, and the certificate must be for it', async () => {
  const before = modern.connections.length;
  for (const host of ['a.test', 'b.test:8443', 'a.test']) {
    assert.equal((await request(port, '/named', { host })).text, 'HTTP/2.0');
  }
  assert.deepEqual(modern.connections.slice(before), ['a.test h2', 'b.test h2']);
  const refused = await request(port, '/named', { host: 'c.test' });
  assert.equal(refused.status, 503);
  assert.equal(await proxy.stat('cluster.named.ssl.fail_verify_san'), 1);
});

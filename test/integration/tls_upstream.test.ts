/** TLS towards hosts: who is believed, what is sent, what a request hears of a handshake that failed, sessions that are resumed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { type Certificate, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { certificateFiles, upstreamTls } from '../support/tls.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

interface Seen {
  readonly serverName: string;
  readonly protocol: string;
  readonly client: string;
  readonly alpn: string;
  readonly reused: boolean;
}

interface TlsHost {
  readonly port: number;
  readonly seen: Seen[];
  /** Large answers. */
  body: Buffer;
  close(): void;
}

/** Answers every request with 200 and a body, and closes the connection. */
async function startTlsHost(options: tls.TlsOptions): Promise<TlsHost> {
  const seen: Seen[] = [];
  const sockets = new Set<tls.TLSSocket>();
  const server = tls.createServer({ allowHalfOpen: true, ALPNProtocols: ['http/1.1'], ...options }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    seen.push({
      serverName: socket.servername || '',
      protocol: socket.getProtocol() ?? '',
      client: /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1] ?? '',
      alpn: socket.alpnProtocol || '',
      reused: socket.isSessionReused(),
    });
    socket.on('data', () => {
      socket.end(
        Buffer.concat([
          Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${host.body.length}\r\nconnection: close\r\n\r\n`),
          host.body,
        ]),
      );
    });
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host: TlsHost = {
    port: (server.address() as net.AddressInfo).port,
    seen,
    body: Buffer.from('hello'),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return host;
}

let proxy: RunningProxy;
let authority: TestAuthority;
let host: TlsHost;
let strict: TlsHost;
let plain: Upstream;
let talker: Awaited<ReturnType<typeof startTcpUpstream>>;
const made: Record<string, Certificate> = {};

before(async () => {
  authority = new TestAuthority();
  made['host'] = authority.make('host', { names: ['DNS:host.test', 'DNS:*.wild.test', 'IP:127.0.0.1'] });
  made['client'] = authority.make('client', { names: ['DNS:client.test'] });
  made['stranger'] = authority.make('stranger', { subject: '/CN=Other CA', authority: true, issuer: '' });
  const { cert, key } = made['host'];
  host = await startTlsHost({ cert, key });
  strict = await startTlsHost({
    cert,
    key,
    ca: authority.ca,
    requestCert: true,
    rejectUnauthorized: true,
    maxVersion: 'TLSv1.2',
  });
  plain = await startUpstream();
  talker = await startTcpUpstream((socket) => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  const ca = { filename: authority.file('ca.pem') };
  const trust = { validation_context: { trusted_ca: ca } };
  const named = (name: string) => ({
    validation_context: {
      trusted_ca: ca,
      match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: name } }],
    },
  });
  const tls13 = { tls_params: { tls_maximum_protocol_version: 'TLSv1_3' } };
  const to = (name: string, port: number, common: Json, more: Json = {}, extra: Json = {}) =>
    cluster(name, [port], { transport_socket: upstreamTls(common, more), ...extra });
  const clusters = [
    to('verified', host.port, trust, { sni: 'host.test' }),
    to('unverified', host.port, {}),
    to('wrong_ca', host.port, { validation_context: { trusted_ca: { filename: made['stranger'].certFile } } }),
    to('wrong_san', host.port, named('other.test')),
    to('wrong_san_13', host.port, { ...named('other.test'), ...tls13 }),
    to('wrong_ca_13', host.port, {
      validation_context: { trusted_ca: { filename: made['stranger'].certFile } },
      ...tls13,
    }),
    to('wildcard', host.port, named('x.wild.test')),
    to('tls13', host.port, { ...trust, ...tls13 }, { sni: 'host.test', max_session_keys: 4 }),
    to('mutual', strict.port, { ...trust, tls_certificates: [certificateFiles(made['client'])] }),
    to('no_client', strict.port, trust),
    to('not_tls', talker.port, trust),
    to(
      'auto_host',
      host.port,
      trust,
      { auto_host_sni: true, auto_sni_san_validation: true },
      {
        load_assignment: {
          cluster_name: 'auto_host',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(host.port), hostname: 'y.wild.test' } }] }],
        },
      },
    ),
    cluster('by_match', [], {
      transport_socket_matches: [
        { name: 'secure', match: { secure: true }, transport_socket: upstreamTls(trust) },
        {
          name: 'plain',
          match: {},
          transport_socket: {
            name: 'raw',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' },
          },
        },
      ],
      load_assignment: {
        cluster_name: 'by_match',
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: { address: loopback(host.port) },
                metadata: { filter_metadata: { 'envoy.transport_socket_match': { secure: true } } },
              },
              { endpoint: { address: loopback(plain.port) } },
            ],
          },
        ],
      },
    }),
  ];
  proxy = await startProxy((dir) => {
    const format =
      '%REQ(:PATH)% %RESPONSE_FLAGS% %UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_SUBJECT% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n';
    const routes = clusters.map(({ name }) => route(`/${name as string}`, name as string));
    return bootstrap(
      [httpListener('main', routes, { access_log: [fileAccessLog(path.join(dir, 'access.log'), format)] })],
      clusters,
    );
  });
});
after(async () => {
  await proxy?.stop();
  host?.close();
  strict?.close();
  await plain?.close();
  await talker?.close();
  authority?.remove();
});

/** Status of a request to a cluster, and what the access log says of it. */
async function get(name: string): Promise<{ status: number; log: string }> {
  const { status } = await request(proxy.port('main'), `/${name}`);
  const lines = () => readFileSync(path.join(proxy.dir, 'access.log'), 'utf8').split('\n');
  const log = await waitFor('a log line', () => lines().findLast((line) => line.startsWith(`/${name} `)));
  return { status, log };
}

test('a host with a certificate of the authority is believed; SNI and ALPN are sent, TLS ends at 1.2 as by default in Envoy', async () => {
  const { status, log } = await get('verified');
  assert.equal(status, 200);
  assert.equal(log, '/verified - TLSv1.2 CN=host.test -');
  assert.deepEqual(host.seen.at(-1), {
    serverName: 'host.test',
    protocol: 'TLSv1.2',
    client: '',
    alpn: 'http/1.1',
    reused: false,
  });
  for (const name of [
    'handshake',
    'versions.TLSv1.2',
    'curves.X25519',
    'sigalgs.ecdsa_secp256r1_sha256',
    'ciphers.ECDHE-ECDSA-AES128-GCM-SHA256',
  ])
    assert.equal(await proxy.stat(`cluster.verified.ssl.${name}`), 1, name);
});

test('without a validation context any certificate will do', async () => {
  assert.equal((await get('unverified')).status, 200);
});

test('a certificate’s wildcard covers an exact DNS name', async () => {
  assert.equal((await get('wildcard')).status, 200);
});

const failures: [string, string, RegExp][] = [
  [
    'wrong_ca',
    'fail_verify_error',
    /^TLS_error:\|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end$/,
  ],
  [
    'wrong_san',
    'fail_verify_san',
    /^TLS_error:\|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_certificate_SANs_are_\[host\.test,_\*\.wild\.test,_127\.0\.0\.1\]:TLS_error_end$/,
  ],
  [
    'not_tls',
    'connection_error',
    /^TLS_error:\|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end$/,
  ],
  [
    'no_client',
    'connection_error',
    /^TLS_error:\|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end$/,
  ],
];
for (const [name, counter, reason] of failures) {
  test(`${name}: 503, UF, ${counter}`, async () => {
    const { status, log } = await get(name);
    assert.equal(status, 503);
    const [, flags, , , text] = log.split(' ');
    assert.equal(flags, 'UF');
    assert.match(text, reason);
    assert.equal(await proxy.stat(`cluster.${name}.ssl.${counter}`), 1);
    assert.equal(await proxy.stat(`cluster.${name}.upstream_cx_connect_fail`), 1);
  });
}

for (const name of ['wrong_ca', 'wrong_san', 'wrong_san_13', 'wrong_ca_13']) {
  test(`${name}: a refused certificate stays refused, its session is never resumed`, async () => {
    for (let i = 0; i < 4; i++) assert.equal((await get(name)).status, 503, `request ${i}`);
    assert.equal((await proxy.stat(`cluster.${name}.ssl.session_reused`)) ?? 0, 0);
    assert.equal((await proxy.stat(`cluster.${name}.ssl.handshake`)) ?? 0, 0);
  });
}

test('a client certificate is sent', async () => {
  assert.equal((await get('mutual')).status, 200);
  assert.equal(strict.seen.at(-1)?.client, 'client.test');
});

test('the host’s own name is its server name, and what its certificate must be for', async () => {
  assert.equal((await get('auto_host')).status, 200);
  assert.equal(host.seen.at(-1)?.serverName, 'y.wild.test');
});

test('metadata of the host chooses whether it is spoken to by TLS', async () => {
  const before = plain.requests.length;
  const statuses = [(await get('by_match')).status, (await get('by_match')).status];
  assert.deepEqual(statuses, [200, 200]);
  assert.equal(plain.requests.length, before + 1);
  assert.equal(await proxy.stat('cluster.by_match.ssl.handshake'), 1);
});

for (const name of ['verified', 'tls13']) {
  test(`${name}: sessions are resumed`, async () => {
    await get(name);
    await get(name);
    const before = await proxy.stat(`cluster.${name}.ssl.session_reused`);
    assert.equal((await get(name)).status, 200);
    assert.equal(host.seen.at(-1)?.reused, true);
    assert.equal(await proxy.stat(`cluster.${name}.ssl.session_reused`), before + 1);
  });
}

test('a large body passes unchanged', async () => {
  host.body = Buffer.alloc(3_000_000);
  for (let i = 0; i < host.body.length; i++) host.body[i] = (i * 31) & 0xff;
  const { status, body } = await request(proxy.port('main'), '/verified');
  assert.equal(status, 200);
  assert.ok(body.equals(host.body));
  host.body = Buffer.from('hello');
});

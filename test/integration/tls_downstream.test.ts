/** TLS towards clients: which certificate they get, which clients are let in, and what logs, headers and statistics say of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type Certificate, openssl, TestAuthority } from '../support/certificates.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { Random } from '../support/random.ts';
import { certificateFiles, downstreamTls, tlsGet } from '../support/tls.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let authority: TestAuthority;
const made: Record<string, Certificate> = {};

/** A listener whose only chain speaks TLS. */
function tlsListener(name: string, common: Json, more: Json = {}, manager: Json = {}): Json {
  const listener = httpListener(name, [route('/', 'a')], manager);
  const [chain] = listener['filter_chains'] as Json[];
  return {
    ...listener,
    stat_prefix: name,
    filter_chains: [{ ...chain, transport_socket: downstreamTls(common, more) }],
  };
}

before(async () => {
  upstream = await startUpstream();
  authority = new TestAuthority();
  made['rsa'] = authority.make('rsa', { names: ['DNS:a.test', 'DNS:*.wild.test', 'URI:spiffe://test/a'], key: 'rsa' });
  made['ec'] = authority.make('ec', { names: ['DNS:a.test'] });
  made['b'] = authority.make('b', { names: ['DNS:b.test'] });
  made['client'] = authority.make('client', {
    subject: '/O=Acme, Inc/CN=ann',
    names: ['URI:spiffe://test/ann', 'DNS:ann.test'],
  });
  made['expired'] = authority.make('expired', { names: ['DNS:ann.test'], days: -1 });
  made['revoked'] = authority.make('revoked', { names: ['DNS:revoked.test'] });
  authority.make('other', { subject: '/CN=Other CA', authority: true, issuer: '' });
  made['stranger'] = authority.make('stranger', { names: ['DNS:ann.test'], issuer: 'other' });
  authority.make('middle', { subject: '/CN=Middle CA', authority: true });
  const leaf = authority.make('chained', { names: ['DNS:ann.test'], issuer: 'middle' });
  made['chained'] = { ...leaf, cert: leaf.cert + readFileSync(authority.file('middle.pem'), 'utf8') };
  const ca = { filename: authority.file('ca.pem') };
  const own = [certificateFiles(made['b'])];
  const hash = openssl('x509', '-in', made['client'].certFile, '-noout', '-fingerprint', '-sha256')
    .trim()
    .split('=')[1];
  const required = { require_client_certificate: true };
  proxy = await startProxy((dir) => {
    const format =
      '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_SUBJECT%\n';
    const access_log = [fileAccessLog(path.join(dir, 'access.log'), format)];
    return bootstrap(
      [
        tlsListener('many', {
          tls_certificates: ['rsa', 'ec', 'b'].map((name) => certificateFiles(made[name])),
          alpn_protocols: ['http/1.1'],
        }),
        tlsListener(
          'xfcc',
          { tls_certificates: [certificateFiles(made['rsa'])], validation_context: { trusted_ca: ca } },
          required,
          {
            access_log,
            forward_client_cert_details: 'APPEND_FORWARD',
            set_current_client_cert_details: { subject: true, uri: true, dns: true },
          },
        ),
        tlsListener('optional', { tls_certificates: own, validation_context: { trusted_ca: ca } }),
        tlsListener(
          'san',
          {
            tls_certificates: own,
            validation_context: {
              trusted_ca: ca,
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://test/' } }],
            },
          },
          required,
        ),
        tlsListener(
          'hash',
          { tls_certificates: own, validation_context: { verify_certificate_hash: [hash] } },
          required,
        ),
        tlsListener(
          'untrusted',
          {
            tls_certificates: own,
            validation_context: { trusted_ca: ca, trust_chain_verification: 'ACCEPT_UNTRUSTED' },
          },
          required,
        ),
        tlsListener(
          'lenient',
          { tls_certificates: own, validation_context: { trusted_ca: ca, allow_expired_certificate: true } },
          required,
        ),
        tlsListener(
          'crl',
          {
            tls_certificates: own,
            validation_context: { trusted_ca: ca, crl: { filename: authority.revoke('revoked') } },
          },
          required,
        ),
        tlsListener(
          'leaf_crl',
          {
            tls_certificates: own,
            validation_context: {
              trusted_ca: ca,
              crl: { filename: authority.file('crl.pem') },
              only_verify_leaf_cert_crl: true,
            },
          },
          required,
        ),
        // As BoringSSL counts: one certificate between needs 2.
        ...[0, 1, 2].map((depth) =>
          tlsListener(
            `depth${depth}`,
            { tls_certificates: own, validation_context: { trusted_ca: ca, max_verify_depth: depth } },
            required,
          ),
        ),
        tlsListener('stapled', {
          tls_certificates: [
            { ...certificateFiles(made['b']), ocsp_staple: { filename: authority.ocspResponse('b') } },
            certificateFiles(made['ec']),
          ],
        }),
        tlsListener('tls13', {
          tls_certificates: own,
          tls_params: { tls_minimum_protocol_version: 'TLSv1_3' },
        }),
        tlsListener('ciphers', {
          tls_certificates: own,
          tls_params: { tls_maximum_protocol_version: 'TLSv1_2', cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] },
        }),
      ],
      [cluster('a', [upstream.port])],
    );
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  authority?.remove();
});

const as = (name: string) => ({ cert: made[name].cert, key: made[name].key });

test('the certificate is chosen by server name and by the keys a client verifies', async () => {
  const port = proxy.port('many');
  const served = async (options: object) => {
    const { server, keyType } = await tlsGet(port, '/', options);
    return `${server} ${keyType}`;
  };
  assert.equal(await served({ servername: 'a.test' }), 'a.test ec');
  // RFC 6066 section 3: host names are compared without case; Envoy compares them as they come.
  if (!isEnvoy) assert.equal(await served({ servername: 'A.TEST' }), 'a.test ec');
  assert.equal(await served({ servername: 'a.test', sigalgs: 'rsa_pss_rsae_sha256' }), 'a.test rsa');
  assert.equal(await served({ servername: 'x.wild.test' }), 'a.test rsa');
  assert.equal(await served({ servername: 'b.test' }), 'b.test ec');
  // No certificate is for it: the first one.
  assert.equal(await served({ servername: 'nobody.test' }), 'a.test rsa');
  // No name at all: the first that suits the client.
  assert.equal(await served({}), 'a.test ec');
  assert.equal(
    await served({ maxVersion: 'TLSv1.2', servername: 'a.test', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }),
    'a.test rsa',
  );
});

test('ALPN settles on a protocol of both, and does without when there is none', async () => {
  const port = proxy.port('many');
  assert.equal((await tlsGet(port, '/', { ALPNProtocols: ['spdy/3', 'http/1.1'] })).alpn, 'http/1.1');
  assert.equal((await tlsGet(port, '/', { ALPNProtocols: ['spdy/3'] })).alpn, '');
});

test('versions and cipher suites are those of the settings', async () => {
  const many = proxy.port('many');
  assert.equal((await tlsGet(many, '/')).protocol, 'TLSv1.3');
  assert.equal((await tlsGet(many, '/', { maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2');
  await assert.rejects(
    tlsGet(many, '/', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    /protocol version/,
  );
  await assert.rejects(tlsGet(proxy.port('tls13'), '/', { maxVersion: 'TLSv1.2' }), /protocol version/);
  assert.equal((await tlsGet(proxy.port('ciphers'), '/')).cipher, 'ECDHE-ECDSA-AES256-GCM-SHA384');
  await assert.rejects(
    tlsGet(proxy.port('ciphers'), '/', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
    /handshake failure/,
  );
});

test('in TLS 1.2 the order of equal suites is the client’s, of the others ours', async () => {
  const first = async (ciphers: string) =>
    (await tlsGet(proxy.port('many'), '/', { servername: 'b.test', maxVersion: 'TLSv1.2', ciphers })).cipher;
  const [gcm128, gcm256, chacha] = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].map(
    (name) => `ECDHE-ECDSA-${name}`,
  );
  assert.equal(await first(`${chacha}:${gcm128}`), chacha);
  assert.equal(await first(`${gcm128}:${chacha}`), gcm128);
  assert.equal(await first(`${gcm256}:${gcm128}`), gcm128);
});

test('x-forwarded-client-cert tells of the client’s certificate behind what was there', async () => {
  const { status } = await tlsGet(proxy.port('xfcc'), '/xfcc', as('client'), 'x-forwarded-client-cert: By=other\r\n');
  assert.equal(status, 200);
  const seen = upstream.requests.at(-1)!;
  assert.match(
    seen.get('x-forwarded-client-cert')!,
    /^By=other,By=spiffe:\/\/test\/a;Hash=[0-9a-f]{64};Subject="CN=ann,O=Acme\\, Inc";URI=spiffe:\/\/test\/ann;DNS=ann\.test$/,
  );
  assert.equal(seen.get('x-forwarded-proto'), 'https');
  const log = await waitFor('a log line', () => readFileSync(path.join(proxy.dir, 'access.log'), 'utf8') || undefined);
  assert.equal(log, 'TLSv1.3 TLS_AES_256_GCM_SHA384 CN=ann,O=Acme\\, Inc spiffe://test/ann CN=a.test\n');
});

/** What happens to each client of a listener: the status, or that it is not served. */
async function outcome(listener: string, client: string | undefined): Promise<number | 'refused'> {
  const options = client === undefined ? {} : as(client);
  return tlsGet(proxy.port(listener), '/', options).then(
    // In TLS 1.3 a client learns of its refusal behind the handshake.
    ({ status }) => status || ('refused' as const),
    () => 'refused' as const,
  );
}

const rules: [string, string | undefined, number | 'refused', string][] = [
  ['xfcc', 'client', 200, 'handshake'],
  ['xfcc', undefined, 'refused', 'fail_verify_no_cert'],
  ['xfcc', 'stranger', 'refused', 'fail_verify_error'],
  ['xfcc', 'expired', 'refused', 'fail_verify_error'],
  ['optional', undefined, 200, 'no_certificate'],
  ['optional', 'client', 200, 'handshake'],
  ['optional', 'stranger', 'refused', 'fail_verify_error'],
  ['san', 'client', 200, 'handshake'],
  ['san', 'b', 'refused', 'fail_verify_san'],
  ['hash', 'client', 200, 'handshake'],
  ['hash', 'b', 'refused', 'fail_verify_cert_hash'],
  ['untrusted', 'stranger', 200, 'handshake'],
  ['untrusted', undefined, 'refused', 'fail_verify_no_cert'],
  ['lenient', 'expired', 200, 'handshake'],
  ['lenient', 'stranger', 'refused', 'fail_verify_error'],
  ['crl', 'client', 200, 'handshake'],
  ['crl', 'revoked', 'refused', 'fail_verify_error'],
  ['leaf_crl', 'client', 200, 'handshake'],
  ['leaf_crl', 'revoked', 'refused', 'fail_verify_error'],
  ['leaf_crl', 'stranger', 'refused', 'fail_verify_error'],
  ['depth0', 'client', 200, 'handshake'],
  ['depth0', 'chained', 'refused', 'fail_verify_error'],
  ['depth1', 'chained', 'refused', 'fail_verify_error'],
  ['depth2', 'chained', 200, 'handshake'],
];
for (const [listener, client, expected, counter] of rules) {
  test(`listener ${listener}, client ${client ?? 'without a certificate'}: ${expected}, ${counter}`, async () => {
    const name = `listener.${listener}.ssl.${counter}`;
    const before = await proxy.stat(name);
    assert.equal(await outcome(listener, client), expected);
    await waitFor(name, async () => (await proxy.stat(name)) === before + 1);
    assert.equal(await proxy.stat(`listener.${listener}.ssl.connection_error`), 0);
  });
}

test('what is no TLS is closed and counted', async () => {
  const count = () => proxy.stat('listener.tls13.ssl.connection_error');
  const before = await count();
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x00\x02\x01\x00',
    '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  ]) {
    const socket = net.connect(proxy.port('tls13'), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.write(bytes, 'latin1');
    setTimeout(() => socket.end(), 200);
    await closed;
  }
  await waitFor('two errors', async () => (await count()) >= before + 2);
  assert.equal((await tlsGet(proxy.port('tls13'), '/')).status, 200);
});

test('a hello in single bytes is a hello', async () => {
  const server = net.connect(proxy.port('many'), '127.0.0.1');
  const relay = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      for (let i = 0; i < bytes.length; i += 7) setTimeout(() => server.write(bytes.subarray(i, i + 7)), i);
    });
    server.pipe(socket);
    socket.on('error', () => {});
    socket.on('close', () => server.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await new Promise((resolve) => relay.once('listening', resolve));
  const { port } = relay.address() as net.AddressInfo;
  assert.equal((await tlsGet(port, '/', { servername: 'b.test' })).server, 'b.test');
  relay.close();
});

test('an OCSP response is stapled for whoever asks for one', async () => {
  const ask = async (servername: string) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: proxy.port('stapled'),
      servername,
      rejectUnauthorized: false,
      requestOCSP: true,
    });
    const [response] = (await once(socket, 'OCSPResponse')) as [Buffer | null];
    await once(socket, 'secureConnect');
    socket.destroy();
    return response;
  };
  assert.deepEqual(await ask('b.test'), readFileSync(authority.file('b.ocsp')));
  assert.equal(await ask('a.test'), null);
  for (const [name, count] of [
    ['requests', 2],
    ['responses', 1],
    ['omitted', 1],
    ['failed', 0],
  ])
    assert.equal(await proxy.stat(`listener.stapled.ssl.ocsp_staple_${name}`), count, String(name));
});

test('a session does not let in whom the handshake refused', async () => {
  const sessions: Buffer[] = [];
  const connect = async (session?: Buffer) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: proxy.port('xfcc'),
      rejectUnauthorized: false,
      session,
      ...as('stranger'),
    });
    socket.on('session', (given: Buffer) => sessions.push(given));
    socket.on('error', () => {});
    let reply = '';
    socket.on('data', (bytes) => {
      reply += bytes;
    });
    socket.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve));
    return reply;
  };
  const { session } = await tlsGet(proxy.port('xfcc'), '/', as('client'));
  assert.ok(session !== undefined);
  assert.equal((await tlsGet(proxy.port('xfcc'), '/', { ...as('client'), session })).status, 200);
  assert.equal(await connect(), '');
  for (const given of [...sessions]) assert.equal(await connect(given), '');
});

test('hellos with changed bytes do no harm', { timeout: 60_000 }, async () => {
  const recorder = net.createServer();
  recorder.listen(0, '127.0.0.1');
  await once(recorder, 'listening');
  const victim = tls.connect({
    port: (recorder.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    servername: 'a.test',
  });
  victim.on('error', () => {});
  const [socket] = (await once(recorder, 'connection')) as [net.Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  victim.destroy();
  recorder.close();
  const seed = 0x715;
  const random = new Random(seed);
  for (let round = 0; round < 150; round++) {
    const changed = Buffer.from(hello);
    for (let i = 0; i <= round % 4; i++) changed[random.int(changed.length)] = random.int(256);
    const client = net.connect(proxy.port('many'), '127.0.0.1');
    client.on('error', () => {});
    client.resume();
    client.end(changed.subarray(0, round % 3 === 0 ? random.int(changed.length) : undefined));
    await once(client, 'close');
  }
  assert.equal((await tlsGet(proxy.port('many'), '/')).status, 200);
  assert.doesNotMatch(proxy.stderr(), /fault in the code/, `seed ${seed}`);
});

test('statistics know versions, suites and connections', async () => {
  assert.ok((await proxy.stat('listener.many.ssl.versions.TLSv1.3')) > 0);
  assert.ok((await proxy.stat('listener.many.ssl.ciphers.TLS_AES_256_GCM_SHA384')) > 0);
  assert.ok((await proxy.stat('http.ingress.downstream_cx_ssl_total')) > 10);
  await waitFor('closed', async () => (await proxy.stat('http.ingress.downstream_cx_ssl_active')) === 0);
  assert.equal(await proxy.stat('server.days_until_first_cert_expiring'), 29);
});

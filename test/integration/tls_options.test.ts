/** What TLS contexts may ask for beside certificates and authorities: key logs, PKCS #12, policies, renegotiation, names of a type. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type Certificate, openssl, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { certificateFiles, downstreamTls, tlsGet, upstreamTls } from '../support/tls.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const principalName = '1.3.6.1.4.1.311.20.2.3';

let proxy: RunningProxy;
let upstream: Upstream;
let renewing: tls.Server;
let authority: TestAuthority;
let keyLog = '';
const made: Record<string, Certificate> = {};

function tlsListener(name: string, common: Json, more: Json = {}, to = 'a'): Json {
  const listener = httpListener(name, [route('/', to)]);
  const [chain] = listener['filter_chains'] as Json[];
  return {
    ...listener,
    stat_prefix: name,
    filter_chains: [{ ...chain, transport_socket: downstreamTls(common, more) }],
  };
}

/** Answers each request after a new handshake on the open connection. */
async function startRenewing(): Promise<tls.Server> {
  const server = tls.createServer({ cert: made['rsa'].cert, key: made['rsa'].key, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.renegotiate({ rejectUnauthorized: false }, (error) => {
        if (error === null) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nrenewed');
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

before(async () => {
  upstream = await startUpstream();
  authority = new TestAuthority();
  made['rsa'] = authority.make('rsa', { names: ['DNS:a.test'], key: 'rsa' });
  authority.make('middle', { subject: '/CN=Middle CA', authority: true });
  made['chained'] = authority.make('chained', { names: ['DNS:chained.test'], issuer: 'middle' });
  made['ann'] = authority.make('ann', { names: [`otherName:${principalName};UTF8:ann@corp.test`] });
  made['bob'] = authority.make('bob', { names: ['otherName:1.2.3.4;UTF8:ann@corp.test', 'DNS:bob.test'] });
  const { keyFile, certFile } = made['chained'];
  const bundle = authority.file('chained.p12');
  openssl(
    ...['pkcs12', '-export', '-in', certFile, '-inkey', keyFile, '-certfile', authority.file('middle.pem')],
    ...['-passout', 'pass:open sesame', '-out', bundle],
  );
  renewing = await startRenewing();
  const { port } = renewing.address() as AddressInfo;
  const own = { tls_certificates: [certificateFiles(made['rsa'])] };
  const ca = { filename: authority.file('ca.pem') };
  const required = { require_client_certificate: true };
  const keyLogOf = (more: Json) => ({ ...own, key_log: { path: keyLog, ...more } });
  const policy = (name: string) => ({ ...own, tls_params: { compliance_policies: [name] } });
  const tls12 = { tls_params: { tls_maximum_protocol_version: 'TLSv1_2' } };
  proxy = await startProxy((dir) => {
    keyLog = path.join(dir, 'keys.log');
    return bootstrap(
      [
        tlsListener('bundle', {
          tls_certificates: [{ pkcs12: { filename: bundle }, password: { inline_string: 'open sesame' } }],
        }),
        tlsListener('logged', keyLogOf({ remote_address_range: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] })),
        tlsListener('unlogged', keyLogOf({ local_address_range: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] })),
        tlsListener('told', { ...own, validation_context: { trusted_ca: ca } }, required),
        tlsListener(
          'untold',
          { ...own, validation_context: { trusted_ca: ca, suppress_client_ca_list: true } },
          { ...required, require_sni: true },
        ),
        tlsListener(
          'principal',
          {
            ...own,
            validation_context: {
              trusted_ca: ca,
              match_typed_subject_alt_names: [
                { san_type: 'OTHER_NAME', oid: principalName, matcher: { suffix: '@corp.test' } },
              ],
            },
          },
          required,
        ),
        tlsListener('fips', policy('FIPS_202205')),
        tlsListener('cnsa', policy('CNSA1_202603')),
        {
          ...tlsListener('groups', { ...own, tls_params: { ecdh_curves: ['P-384', 'X25519'] } }),
          access_log: [fileAccessLog(path.join(dir, 'connections.log'), '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n')],
        },
        tlsListener('renewing', own, {}, 'renewing'),
        tlsListener('steady', own, {}, 'steady'),
      ],
      [
        cluster('a', [upstream.port]),
        cluster('renewing', [port], { transport_socket: upstreamTls(tls12, { allow_renegotiation: true }) }),
        cluster('steady', [port], { transport_socket: upstreamTls(tls12) }),
      ],
    );
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  renewing?.close();
  authority?.remove();
});

/** In TLS 1.3 a client learns only behind its handshake that it is not wanted. */
async function letIn(name: string, { cert, key }: Certificate): Promise<boolean> {
  try {
    return (await tlsGet(proxy.port(name), '/', { cert, key })).status === 200;
  } catch {
    return false;
  }
}

test('a PKCS #12 file is a key with its chain', async () => {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: proxy.port('bundle'),
    ca: authority.ca,
    servername: 'chained.test',
  });
  await once(socket, 'secureConnect');
  assert.equal(socket.authorized, true);
  assert.equal(socket.getPeerCertificate(true).issuerCertificate.subject.CN, 'Middle CA');
  socket.destroy();
});

test('secrets of handshakes are written down for the addresses that are wanted', async () => {
  assert.equal((await tlsGet(proxy.port('unlogged'), '/')).status, 200);
  let own = '';
  const socket = tls.connect({ host: '127.0.0.1', port: proxy.port('logged'), rejectUnauthorized: false });
  socket.on('keylog', (line: Buffer) => {
    own += line.toString();
  });
  await once(socket, 'secureConnect');
  const lines = await waitFor('the key log', () => {
    const found = readFileSync(keyLog, 'utf8').trim().split('\n');
    return found.length >= 5 ? found : undefined;
  });
  socket.destroy();
  for (const line of lines) assert.ok(own.includes(line), `${line} is not the client's`);
});

/** What a client hears of the authorities that count. */
function authoritiesTold(port: number): Promise<string> {
  const { certFile, keyFile } = made['rsa'];
  return new Promise((resolve) => {
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-cert', certFile, '-key', keyFile];
    const client = execFile('openssl', args, { timeout: 10_000 }, (_error, text) => resolve(text));
    client.stdin!.end();
  });
}

test('clients hear which authorities count, or not, and are verified either way', async () => {
  assert.match(await authoritiesTold(proxy.port('told')), /Acceptable client certificate CA names\nCN ?= ?Test CA/);
  assert.match(await authoritiesTold(proxy.port('untold')), /No client certificate CA names sent/);
  assert.equal(await letIn('untold', made['ann']), true);
  const stranger = new TestAuthority();
  try {
    const unknown = stranger.make('unknown');
    assert.equal(await letIn('untold', unknown), false);
  } finally {
    stranger.remove();
  }
});

test('a name of another type is matched by its type and its value', async () => {
  assert.equal(await letIn('principal', made['ann']), true);
  assert.equal(await letIn('principal', made['bob']), false);
});

test('policies decide on versions, suites, groups and algorithms', async () => {
  const agreed = async (name: string, options: tls.ConnectionOptions) => {
    try {
      const { protocol, cipher } = await tlsGet(proxy.port(name), '/', options);
      return `${protocol} ${cipher}`;
    } catch {
      return 'refused';
    }
  };
  const tls12 = (ciphers: string) => ({ maxVersion: 'TLSv1.2', ciphers }) as const;
  assert.equal(await agreed('fips', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }), 'refused');
  assert.equal(await agreed('fips', { ecdhCurve: 'X25519' }), 'refused');
  assert.equal(await agreed('fips', { ecdhCurve: 'X25519:P-384' }), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
  assert.equal(await agreed('fips', tls12('ECDHE-RSA-CHACHA20-POLY1305')), 'refused');
  assert.equal(
    await agreed('fips', tls12('ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384')),
    'TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256',
  );
  assert.equal(await agreed('cnsa', { ciphers: 'TLS_AES_128_GCM_SHA256' }), 'refused');
  assert.equal(await agreed('cnsa', { ecdhCurve: 'P-256' }), 'refused');
  assert.equal(await agreed('cnsa', { ecdhCurve: 'P-256:P-384' }), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
  assert.equal(await agreed('cnsa', tls12('ECDHE-RSA-AES128-GCM-SHA256')), 'refused');
  assert.equal(await agreed('cnsa', tls12('ECDHE-RSA-AES256-GCM-SHA384')), 'TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384');
});

test('the group is the first of ours that a client has, whatever it would rather have, and is counted', async () => {
  const agreed = async (ecdhCurve: string, maxVersion: tls.SecureVersion) => {
    const port = proxy.port('groups');
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ecdhCurve, maxVersion });
    await once(socket, 'secureConnect');
    const { name } = socket.getEphemeralKeyInfo() as tls.EphemeralKeyInfo;
    socket.end('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n').resume();
    await once(socket, 'close');
    return name;
  };
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    assert.equal(await agreed('X25519:P-384', version), 'secp384r1');
    assert.equal(await agreed('X25519:P-256', version), 'X25519');
  }
  const count = (name: string) => proxy.stat(`listener.groups.ssl.curves.${name}`);
  await waitFor('the counts', async () => (await count('P-384')) === 2 && (await count('X25519')) === 2);
});

test('a client that gives up before its hello has said why', async () => {
  const alert = net.connect(proxy.port('groups'), '127.0.0.1');
  alert.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 40]));
  alert.on('error', () => {});
  const log = await waitFor('the entry', () => {
    const text = readFileSync(path.join(proxy.dir, 'connections.log'), 'utf8');
    return text.includes('ALERT') ? text : undefined;
  });
  assert.match(
    log,
    /^TLS_error:\|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end$/m,
  );
});

test('a host may begin a new handshake on an open connection where that is allowed', async () => {
  const allowed = await tlsGet(proxy.port('renewing'), '/');
  assert.deepEqual([allowed.status, allowed.text], [200, 'renewed']);
  assert.equal((await tlsGet(proxy.port('steady'), '/')).status, 503);
});

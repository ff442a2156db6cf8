/** Secrets: found in files and by name, swapped while requests run, and shared by the workers so that any of them resumes a session. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, httpListener, type Json } from '../support/bootstrap.ts';
import { type Certificate, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, runToEnd, startProxy } from '../support/proxy.ts';
import { certificateFiles, downstreamTls, tlsGet } from '../support/tls.ts';
import { waitFor } from '../support/wait_for.ts';

const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

let proxy: RunningProxy;
let authority: TestAuthority;
const made: Record<string, Certificate> = {};

function tlsListener(name: string, common: Json, more: Json = {}): Json {
  const direct = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } };
  const listener = httpListener(name, [direct]);
  const [chain] = listener['filter_chains'] as Json[];
  return {
    ...listener,
    stat_prefix: name,
    filter_chains: [{ ...chain, transport_socket: downstreamTls(common, more) }],
  };
}

function inline({ cert, key }: Certificate): Json {
  return { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } };
}

/** Puts a certificate where a mounted secret has it: a folder behind a link that is moved, as Kubernetes does. */
let version = 0;
function publish(dir: string, { cert, key }: Certificate): void {
  const data = path.join(dir, `..v${++version}`);
  mkdirSync(data);
  writeFileSync(path.join(data, 'tls.crt'), cert);
  writeFileSync(path.join(data, 'tls.key'), key);
  symlinkSync(data, path.join(dir, '..next'));
  renameSync(path.join(dir, '..next'), path.join(dir, '..data'));
}

const ticketKeys: Readonly<Record<string, string>> = {
  old: Buffer.alloc(80, 1).toString('base64'),
  new: Buffer.alloc(80, 2).toString('base64'),
};

before(async () => {
  authority = new TestAuthority();
  for (const name of ['first', 'second', 'third']) made[name] = authority.make(name, { names: [`DNS:${name}.test`] });
  const mounted = authority.file('mounted');
  mkdirSync(mounted);
  publish(mounted, made['first']);
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(path.join('..data', name), path.join(mounted, name));
  const discovered = {
    resources: [
      {
        '@type': secretType,
        name: 'mounted',
        tls_certificate: {
          certificate_chain: { filename: path.join(mounted, 'tls.crt') },
          private_key: { filename: path.join(mounted, 'tls.key') },
          watched_directory: { path: mounted },
        },
      },
    ],
  };
  writeFileSync(authority.file('sds.json'), JSON.stringify(discovered));
  const swapped = (name: Certificate) => ({
    resources: [{ '@type': secretType, name: 'swapped', tls_certificate: certificateFiles(name) }],
  });
  writeFileSync(authority.file('swapped.json'), JSON.stringify(swapped(made['first'])));
  writeFileSync(authority.file('swapped.next'), JSON.stringify(swapped(made['second'])));
  const sds = (name: string, file: string) => ({
    tls_certificate_sds_secret_configs: [
      { name, sds_config: { path_config_source: { path: authority.file(file) }, resource_api_version: 'V3' } },
    ],
  });
  process.env['NUNCIO_TEST_CERT'] = made['third'].cert;
  process.env['NUNCIO_TEST_KEY'] = made['third'].key;
  const listeners = [
    tlsListener('plain', { tls_certificates: [certificateFiles(made['first'])] }),
    tlsListener(
      'no_tickets',
      { tls_certificates: [certificateFiles(made['first'])] },
      { disable_stateless_session_resumption: true, disable_stateful_session_resumption: true },
    ),
    ...Object.entries({ old: ['old'], rotated: ['new', 'old'], new: ['new'] }).map(([name, keys]) =>
      tlsListener(
        `keys-${name}`,
        { tls_certificates: [certificateFiles(made['first'])] },
        { session_ticket_keys: { keys: keys.map((key) => ({ inline_bytes: ticketKeys[key] })) } },
      ),
    ),
    tlsListener('static', { tls_certificate_sds_secret_configs: [{ name: 'by-name' }] }),
    tlsListener('environment', {
      tls_certificates: [
        {
          certificate_chain: { environment_variable: 'NUNCIO_TEST_CERT' },
          private_key: { environment_variable: 'NUNCIO_TEST_KEY' },
        },
      ],
    }),
    tlsListener('inline', { tls_certificates: [inline(made['second'])] }),
    tlsListener('mounted', sds('mounted', 'sds.json')),
    tlsListener('swapped', sds('swapped', 'swapped.json')),
  ];
  const secrets = [
    { name: 'by-name', tls_certificate: certificateFiles(made['second']) },
    { name: 'password', generic_secret: { secret: { inline_string: 'not to be told' } } },
  ];
  const config = bootstrap(listeners, [], { node: { id: 'n', cluster: 'c' } });
  proxy = await startProxy(
    { ...config, static_resources: { ...(config['static_resources'] as Json), secrets } },
    { concurrency: 2 },
  );
});
after(async () => {
  await proxy?.stop();
  authority?.remove();
});

const servedBy = async (listener: string) => (await tlsGet(proxy.port(listener), '/')).server;

for (const [listener, name] of [
  ['plain', 'first.test'],
  ['static', 'second.test'],
  ['environment', 'third.test'],
  ['inline', 'second.test'],
]) {
  test(`a certificate in ${listener}`, async () => assert.equal(await servedBy(listener), name));
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a session is resumed by every worker`, async () => {
    const port = proxy.port('plain');
    const options = { minVersion: version, maxVersion: version };
    const { session } = await tlsGet(port, '/', options);
    assert.ok(session !== undefined);
    for (let i = 0; i < 24; i++) assert.equal((await tlsGet(port, '/', { ...options, session })).reused, true);
    for (const worker of [0, 1])
      assert.ok((await proxy.stat(`listener.plain.worker_${worker}.downstream_cx_total`)) > 0);
    assert.ok((await proxy.stat('listener.plain.ssl.session_reused')) >= 24);
  });
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: tickets of every key are opened, and sealed with the first`, async () => {
    const options = { minVersion: version, maxVersion: version };
    const get = (keys: string, session?: Buffer) =>
      tlsGet(proxy.port(`keys-${keys}`), '/', session === undefined ? options : { ...options, session });
    const { session: old } = await get('old');
    const { session: sealed } = await get('rotated');
    assert.ok(old !== undefined && sealed !== undefined);
    for (let i = 0; i < 8; i++) assert.equal((await get('rotated', old)).reused, true);
    assert.equal((await get('rotated', sealed)).reused, true);
    assert.equal((await get('new', sealed)).reused, true);
    assert.equal((await get('new', old)).reused, false);
  });
}

test('without stateless resumption there are no tickets', async () => {
  const options = { maxVersion: 'TLSv1.2' } as const;
  const { session } = await tlsGet(proxy.port('no_tickets'), '/', options);
  assert.equal((await tlsGet(proxy.port('no_tickets'), '/', { ...options, session })).reused, false);
});

test('a mounted secret is swapped while requests run: none fails, and connections stay', async () => {
  const port = proxy.port('mounted');
  assert.equal(await servedBy('mounted'), 'first.test');
  const served: string[] = [];
  let running = true;
  const load = Array.from({ length: 4 }, async () => {
    while (running) {
      const { status, server } = await tlsGet(port, '/');
      assert.equal(status, 200);
      served.push(server);
    }
  });
  for (const name of ['second', 'third', 'first', 'second']) {
    publish(authority.file('mounted'), made[name]);
    await waitFor(name, () => served.at(-1) === `${name}.test`, { withinMs: 5000 });
  }
  running = false;
  await Promise.all(load);
  assert.ok(served.length > 20);
  await waitFor(
    'both workers',
    async () => new Set(await Promise.all(Array.from({ length: 8 }, () => servedBy('mounted')))).size === 1,
  );
  assert.equal(await proxy.stat('listener.mounted.server_ssl_socket_factory.ssl_context_update_by_sds'), 5);
});

test('a file of secrets is replaced by a move', async () => {
  assert.equal(await servedBy('swapped'), 'first.test');
  renameSync(authority.file('swapped.next'), authority.file('swapped.json'));
  await waitFor('the second certificate', async () => (await servedBy('swapped')) === 'second.test');
});

test('a certificate that is swapped for a broken one stays in use', async () => {
  const { cert } = made['first'];
  publish(authority.file('mounted'), { ...made['third'], cert });
  await waitFor('the refusal', () => /KEY_VALUES_MISMATCH/.test(proxy.stderr()));
  assert.equal(await servedBy('mounted'), 'second.test');
});

test('an open connection outlives the certificate it began with', async () => {
  const socket = tls.connect({ host: '127.0.0.1', port: proxy.port('mounted'), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const ask = async () => {
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    return String((await once(socket, 'data'))[0]).slice(0, 15);
  };
  assert.equal(await ask(), 'HTTP/1.1 200 OK');
  publish(authority.file('mounted'), made['first']);
  await waitFor('first', async () => (await servedBy('mounted')) === 'first.test');
  assert.equal(await ask(), 'HTTP/1.1 200 OK');
  socket.destroy();
});

test('private keys and passwords are shown nowhere, certificates are', async () => {
  const dump = (await proxy.admin('/config_dump')).text;
  assert.doesNotMatch(dump, /PRIVATE KEY|not to be told/);
  assert.match(dump, /"name": "password"/);
  assert.match(dump, /static_secrets/);
  assert.match(dump, /"name": "mounted"/);
  const { certificates } = JSON.parse((await proxy.admin('/certs')).text) as {
    certificates: { cert_chain: { path: string; subject_alt_names: unknown }[] }[];
  };
  const names = certificates.flatMap(({ cert_chain }) => cert_chain.map(({ subject_alt_names }) => subject_alt_names));
  assert.deepEqual(
    new Set(names.flat().map((name) => (name as { dns: string }).dns)),
    new Set(['first.test', 'second.test', 'third.test']),
  );
  assert.ok(
    (await proxy.stat('listener.mounted.ssl.certificate.mounted.expiration_unix_time_seconds')) > Date.now() / 1000,
  );
});

test('half a handshake is not waited for for ever', async () => {
  const socket = net.connect(proxy.port('plain'), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(Buffer.from([22, 3, 1]));
  await waitFor('a connection', async () => (await proxy.stat('listener.plain.downstream_cx_active')) > 0);
  socket.destroy();
  await waitFor('no connection', async () => (await proxy.stat('listener.plain.downstream_cx_active')) === 0);
});

const refusals: [string, (dir: TestAuthority) => Json, RegExp][] = [
  [
    'a file that is not there',
    () => certificateFiles({ ...made['first'], certFile: '/nowhere.pem' }),
    /tls_certificates\[0\]\.certificate_chain[\s\S]*|file \/nowhere\.pem does not exist/,
  ],
  [
    'a key of another certificate',
    () => certificateFiles({ ...made['first'], keyFile: made['second'].keyFile }),
    /KEY_VALUES_MISMATCH/,
  ],
  [
    'no PEM',
    () => ({ ...inline(made['first']), certificate_chain: { inline_string: 'x' } }),
    /Failed to load certificate chain from <inline>/,
  ],
  [
    'a broken key',
    () => ({ ...inline(made['first']), private_key: { inline_string: 'x' } }),
    /Failed to load private key from <inline>/,
  ],
  [
    'no key',
    () => ({ certificate_chain: { inline_string: made['first'].cert } }),
    /Failed to load incomplete private key/,
  ],
  [
    'a private key provider',
    () => ({ ...inline(made['first']), private_key_provider: { provider_name: 'x' } }),
    /'private_key_provider' is not supported yet/,
  ],
];
test('refused at its place: a static secret that is not there, and one that cannot be read', async () => {
  const listener = tlsListener('a', { tls_certificate_sds_secret_configs: [{ name: 'missing' }] });
  const secrets = [
    { name: 'broken', tls_certificate: { ...inline(made['first']), private_key: { inline_string: 'x' } } },
  ];
  const { output } = await runToEnd({ static_resources: { listeners: [listener], secrets } }, ['--mode', 'validate']);
  assert.match(output, /Unknown static secret: missing/);
  assert.match(output, /at static_resources\.secrets\[0\]\.tls_certificate\.private_key/);
});
for (const [what, certificate, reason] of refusals) {
  test(`refused at its place: ${what}`, async () => {
    const listener = tlsListener('a', { tls_certificates: [certificate(authority)] });
    const { code, output } = await runToEnd(bootstrap([listener], []), ['--mode', 'validate']);
    assert.equal(code, 1);
    assert.match(output, reason);
    assert.match(output, /bootstrap\.yaml:\d+:\d+: error/);
  });
}

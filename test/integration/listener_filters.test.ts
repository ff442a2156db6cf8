/** Listener filters and filter chain matching through the real proxy, with clients of raw bytes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  bootstrap,
  cluster,
  fileAccessLog,
  httpListener,
  type Json,
  loopback,
  route,
  tcpListener,
} from '../support/bootstrap.ts';
import { clientHello } from '../support/client_hello.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw_client.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const extensions = 'type.googleapis.com/envoy.extensions.filters';

function listenerFilter(name: string, message: string, config: Json = {}): Json {
  const typed = { '@type': `${extensions}.listener.${name}.v3.${message}`, ...config };
  return { name: `envoy.filters.listener.${name}`, typed_config: typed };
}

function says(text: string): Json {
  const typed = { '@type': `${extensions}.network.direct_response.v3.Config`, response: { inline_string: text } };
  return { name: 'says', typed_config: typed };
}

/** A chain that says its name. */
function chain(name: string, match?: Json): Json {
  return { name, filters: [says(name)], ...(match === undefined ? {} : { filter_chain_match: match }) };
}

const log = [
  '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% chain=%FILTER_CHAIN_NAME% sni=%REQUESTED_SERVER_NAME%',
  'ja3=%TLS_JA3_FINGERPRINT% ja4=%TLS_JA4_FINGERPRINT% tls=%DYNAMIC_METADATA(envoy.filters.listener.tls_inspector)%',
  'failure=%DOWNSTREAM_TRANSPORT_FAILURE_REASON% state=%FILTER_STATE(my.key:PLAIN)%',
  'remote=%DOWNSTREAM_REMOTE_ADDRESS% local=%DOWNSTREAM_LOCAL_ADDRESS% direct=%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%',
  'tlvs=%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)% other=%DYNAMIC_METADATA(ns)%\n',
].join(' ');

function listener(dir: string, name: string, filters: Json[], chains: Json[], more: Json = {}): Json {
  return {
    name,
    address: loopback(),
    listener_filters: filters,
    listener_filters_timeout: '0.4s',
    filter_chains: chains,
    access_log: [fileAccessLog(path.join(dir, `${name}.log`), log)],
    ...more,
  };
}

const tlsInspector = listenerFilter('tls_inspector', 'TlsInspector', {
  enable_ja3_fingerprinting: true,
  enable_ja4_fingerprinting: true,
});
const proxyProtocol = (config: Json = {}) => listenerFilter('proxy_protocol', 'ProxyProtocol', config);

let proxy: RunningProxy;
let upstream: Upstream;
let tcpUpstream: Omit<Upstream, 'script'>;

before(async () => {
  upstream = await startUpstream();
  tcpUpstream = await startTcpUpstream((socket) => void socket.pipe(socket));
  const noted = {
    object_key: 'my.key',
    factory_key: 'envoy.string',
    format_string: { text_format_source: { inline_string: 'sni is %REQUESTED_SERVER_NAME%' } },
  };
  proxy = await startProxy((dir) =>
    bootstrap(
      [
        listener(
          dir,
          'tls',
          [tlsInspector, listenerFilter('set_filter_state', 'Config', { on_accept: [noted] })],
          [
            chain('named', { server_names: ['a.test'] }),
            chain('h2', { application_protocols: ['h2'], transport_protocol: 'tls' }),
            chain('plain', { transport_protocol: 'raw_buffer' }),
          ],
        ),
        listener(dir, 'small', [tlsInspector], [chain('small', { server_names: ['a.test'] })], {
          per_connection_buffer_limit_bytes: 600,
        }),
        listener(
          dir,
          'strict',
          [listenerFilter('tls_inspector', 'TlsInspector', { close_connection_on_client_hello_parsing_errors: true })],
          [chain('strict')],
        ),
        listener(
          dir,
          'http',
          [listenerFilter('http_inspector', 'HttpInspector')],
          [
            chain('http/1.1', { application_protocols: ['http/1.1'] }),
            chain('h2c', { application_protocols: ['h2c'] }),
          ],
          { default_filter_chain: chain('neither') },
        ),
        listener(
          dir,
          'proxied',
          [
            proxyProtocol({
              rules: [
                { tlv_type: 1, on_tlv_present: { key: 'alpn' } },
                { tlv_type: 2, on_tlv_present: { key: 'authority', metadata_namespace: 'ns' } },
              ],
            }),
          ],
          [chain('far', { source_prefix_ranges: [{ address_prefix: '203.0.113.0', prefix_len: 24 }] }), chain('near')],
        ),
        listener(
          dir,
          'lenient',
          [proxyProtocol({ allow_requests_without_proxy_protocol: true, stat_prefix: 'le' })],
          [
            {
              filters: (tcpListener('x', 'echo') as { filter_chains: { filters: Json[] }[] }).filter_chains[0].filters,
            },
          ],
        ),
        listener(dir, 'v2only', [proxyProtocol({ disallowed_versions: ['V1'], stat_prefix: 'v2' })], [chain('v2')]),
        listener(dir, 'late', [tlsInspector], [chain('late')], { continue_on_listener_filters_timeout: true }),
        listener(dir, 'off', [{ ...proxyProtocol(), filter_disabled: { any_match: true } }], [chain('off')]),
        listener(
          dir,
          'limited',
          [
            listenerFilter('local_ratelimit', 'LocalRateLimit', {
              stat_prefix: 'l',
              token_bucket: { max_tokens: 2, fill_interval: '1000s' },
            }),
          ],
          [chain('limited')],
        ),
        httpListener('web', [route('/', 'web')], { use_remote_address: true }, { listener_filters: [proxyProtocol()] }),
      ],
      [cluster('echo', [tcpUpstream.port]), cluster('web', [upstream.port])],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  await tcpUpstream?.close();
});

/** What a client gets that sends this; `pieces` one after the other. */
async function answer(name: string, ...pieces: (string | Uint8Array)[]): Promise<string> {
  const client = await RawClient.connect(proxy.port(name));
  for (const piece of pieces) {
    client.send(piece);
    if (pieces.length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const text = await client.untilClosed(3000).then(
    (bytes) => bytes.toString('latin1'),
    (error: Error) => error.message,
  );
  client.destroy();
  return client.error === undefined ? text : `${text}<${client.error.code}>`;
}

function lines(name: string): string[] {
  return readFileSync(path.join(proxy.dir, `${name}.log`), 'utf8').split('\n');
}

async function logged(name: string, part: string): Promise<string> {
  return waitFor(`log line with ${part}`, () => lines(name).find((line) => line.includes(part)));
}

test('tls_inspector: server name, protocols and fingerprints choose the chain, split at any byte', async () => {
  assert.equal(await answer('tls', clientHello()), 'named');
  assert.equal(await answer('tls', clientHello('A.TesT')), 'named');
  assert.equal(await answer('tls', clientHello('b.test')), 'h2');
  for (const cut of [1, 4, 5, 6, 50, 700])
    assert.equal(
      await answer('tls', clientHello().subarray(0, cut), clientHello().subarray(cut)),
      'named',
      `cut at ${cut}`,
    );
  assert.equal(await answer('small', clientHello()), 'small', 'a hello may be larger than the buffer limit');
  assert.equal(await answer('tls', 'hello'), 'plain');
  const line = await logged('tls', 'sni=a.test');
  assert.match(line, /^- direct_response chain=named sni=a\.test /);
  assert.match(line, /ja3=d67b094811e5145139d7cea5f014309f ja4=t13d5212h2_b262b3658495_8e6e362c5eac tls=- failure=- /);
  assert.match(line, /state=sni is a\.test /);
  const plain = await logged('tls', 'chain=plain');
  assert.match(plain, /tls=\{"failure_reason":"ClientHelloNotDetected"\} /);
  assert.match(
    plain,
    /failure=TLS_error\|error:100000f7:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end /,
  );
  assert.equal(await proxy.stat('tls_inspector.tls_found'), 10);
  assert.equal(await proxy.stat('tls_inspector.tls_not_found'), 1);
  assert.equal(await proxy.stat('tls_inspector.sni_found'), 10);
});

test('a connection that no chain takes ends, with flag and details', async () => {
  const hello = clientHello('c.test');
  hello.write('h3', hello.indexOf('\x02h2', 'latin1') + 1, 'latin1');
  assert.equal(await answer('tls', hello), '<ECONNRESET>');
  assert.match(await logged('tls', 'sni=c.test'), /^NR filter_chain_not_found chain=- sni=c\.test /);
});

test('a ClientHello that is too large ends the connection, and so does none where one must be', async () => {
  const large = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xf0]), Buffer.alloc(17_000)]);
  assert.equal(await answer('tls', large), '<ECONNRESET>');
  assert.equal(await proxy.stat('tls_inspector.client_hello_too_large'), 1);
  await logged('tls', '{"failure_reason":"ClientHelloTooLarge"}');
  assert.equal(await answer('strict', 'hello'), '<ECONNRESET>');
  assert.equal(await answer('strict', clientHello()), 'strict');
});

test('http_inspector tells HTTP by its first line', async () => {
  assert.equal(await answer('http', 'GET / HT', 'TP/1.1\r\n'), 'http/1.1');
  assert.equal(await answer('http', 'PRI * HTTP/2.0\r\n\r\n', 'SM\r\n\r\n'), 'h2c');
  assert.equal(await answer('http', '\x16\x03\x01'), 'neither');
  assert.equal(await answer('http', Buffer.alloc(70_000, 97)), '<ECONNRESET>');
  assert.equal(await proxy.stat('http_inspector.read_error'), 1);
});

const v2 = (body: string) => `\r\n\r\n\0\r\nQUIT\n\x21\x11\0${String.fromCharCode(body.length)}${body}`;
const ends = '\xcb\0\x71\x07\x0a\0\0\x01\x11\x5c\0\x50';

test('proxy_protocol: the header tells the ends of the connection, its TLVs go where rules say', async () => {
  assert.equal(await answer('proxied', 'PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\n'), 'far');
  const line = await logged('proxied', 'remote=203.0.113.7:4444');
  assert.match(line, /local=10\.0\.0\.1:80 direct=127\.0\.0\.1:\d+ tlvs=- other=-$/);
  assert.equal(
    await answer(
      'proxied',
      ...v2(`${ends}\x01\0\x02h2\x02\0\x03\xff\0a`)
        .split('')
        .map((c) => Buffer.from(c, 'latin1')),
    ),
    'far',
  );
  assert.match(await logged('proxied', 'tlvs={"alpn":"h2"}'), /other=\{"authority":"!\\u0000a"\}$/);
  assert.equal(await answer('proxied', 'PROXY UNKNOWN\r\n'), 'near');
  assert.equal(await answer('proxied', 'GET / HTTP/1.1\r\n\r\n'), '<ECONNRESET>');
  assert.equal(await answer('proxied', 'PROXY TCP4 203.0.113.7\r\n'), '<ECONNRESET>');
  assert.equal(await answer('proxied', v2(`${ends}\x01\0\x09h2`)), '<ECONNRESET>');
  const stats = [
    'versions.v1.found',
    'versions.v2.found',
    'versions.v1.error',
    'versions.v2.error',
    'not_found_disallowed',
  ];
  const values = await Promise.all(stats.map((name) => proxy.stat(`proxy_proto.${name}`)));
  assert.deepEqual(values, [2, 1, 1, 1, 1]);
  assert.equal(await proxy.stat('downstream_cx_proxy_proto_error'), 3);
});

test('bytes behind a header reach the chain, and so do those of a client without one where that may be', async () => {
  for (const [sent, expected] of [
    [`PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\n${'x'.repeat(5000)}`, 'x'.repeat(5000)],
    ['no header at all', 'no header at all'],
    [v2(`${ends}`) + 'y', 'y'],
  ]) {
    const client = await RawClient.connect(proxy.port('lenient'));
    client.send(sent);
    assert.equal((await client.bytes(expected.length)).toString(), expected);
    client.send('more');
    assert.equal((await client.bytes(4)).toString(), 'more');
    client.destroy();
  }
  assert.equal(await proxy.stat('proxy_proto.le.not_found_allowed'), 1);
});

test('a version that is not allowed is refused', async () => {
  assert.equal(await answer('v2only', 'PROXY UNKNOWN\r\n'), '<ECONNRESET>');
  assert.equal(await answer('v2only', v2(ends)), 'v2');
  assert.equal(await proxy.stat('proxy_proto.v2.versions.v1.disallowed'), 1);
});

test('HTTP sees the client that the header names, also in X-Forwarded-For', async () => {
  const client = await RawClient.connect(proxy.port('web'));
  client.send('PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\nGET /p HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await client.response()).status, 200);
  client.destroy();
  assert.equal(upstream.requests.at(-1)?.get('x-forwarded-for'), '203.0.113.7');
});

test('filters have their time, after which the connection ends or goes on', async () => {
  assert.equal(await answer('tls', 'hel'), '<ECONNRESET>');
  const counted = await proxy.stat('listener.127.0.0.1_0.downstream_pre_cx_timeout');
  assert.ok(counted >= 1);
  assert.equal(await answer('late', 'hel'), 'late');
  assert.equal(await answer('off', 'hel'), 'off');
});

test('a client that leaves while filters wait is counted; nothing is left of it', async () => {
  const before = await proxy.stat('listener.127.0.0.1_0.downstream_listener_filter_remote_close');
  const client = await RawClient.connect(proxy.port('tls'));
  client.send('\x16\x03');
  client.end();
  assert.equal(await client.closes(2000), true);
  const other = await RawClient.connect(proxy.port('tls'));
  other.send('\x16\x03');
  await waitFor('connection', async () => (await proxy.stat('listener.127.0.0.1_0.downstream_pre_cx_active')) === 1);
  other.reset();
  await waitFor('both counted', async () => {
    return (await proxy.stat('listener.127.0.0.1_0.downstream_listener_filter_remote_close')) === before + 2;
  });
  assert.equal(await proxy.stat('listener.127.0.0.1_0.downstream_pre_cx_active'), 0);
});

test('local_ratelimit of a listener', async () => {
  assert.deepEqual(
    [await answer('limited', ''), await answer('limited', ''), await answer('limited', '')],
    ['limited', 'limited', ''],
  );
  assert.equal(await proxy.stat('listener_local_ratelimit.l.rate_limited'), 1);
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType, registry } from '../../api/registry.ts';
import { ipAddress } from '../../common/address.ts';
import { changeLevel, listLevels, setLogLevels } from '../../common/log.ts';
import { HOST } from '../../common/stats/layouts.ts';
import { ThreadStats } from '../../common/stats/store.ts';
import { StatsMerge } from '../stats_merge.ts';
import type { AdminContext, DrainOptions, HostStatus, ServerState } from './context.ts';
import { AdminServer } from './server.ts';

function message<T>(type: string, value: JsonValue): T {
  return fromJson(messageType(type), value, { registry }) as T;
}

const updated = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const thresholds = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };
const host: HostStatus = {
  address: ipAddress('127.0.0.1', 80),
  hostname: '',
  healthFlags: [],
  weight: 1,
  canary: false,
  priority: 0,
  successRate: -1,
  localOriginSuccessRate: -1,
};

const merge = new StatsMerge();
const source = merge.addSource();
const store = new ThreadStats((news) => source.announce(news));
let state: ServerState = 'LIVE';
let calls: unknown[] = [];

const context: AdminContext = {
  unready: () => [],
  latestVersion: () => undefined,
  stats: merge,
  versionText: '0/0.1.0/Distribution/RELEASE/OpenSSL',
  commandLineOptions: { base_id: '0', concurrency: 2, drain_time: '600s' },
  node: message<envoy.config.core.v3.Node>('envoy.config.core.v3.Node', { id: 'node-1', cluster: 'cluster-1' }),
  bootstrap: message<envoy.config.bootstrap.v3.Bootstrap>('envoy.config.bootstrap.v3.Bootstrap', {
    node: { id: 'node-1', cluster: 'cluster-1' },
  }),
  startTime: updated,
  certificates: () => [],
  runtime: { layerNames: [], entries: () => [] },
  modifyRuntime: () => false,
  state: () => state,
  resources: () => [],
  clusters: () => [
    {
      name: 'a',
      observabilityName: 'a',
      addedViaApi: false,
      breakers: { default: thresholds, high: thresholds },
      hosts: [
        host,
        { ...host, address: ipAddress('::1', 81), hostname: 'b', healthFlags: ['failed_outlier_check'], priority: 1 },
      ],
    },
  ],
  listeners: () => [
    { name: 'main', address: ipAddress('127.0.0.1', 10000) },
    { name: 'v6', address: ipAddress('::', 10001) },
  ],
  logLevels: listLevels,
  changeLogLevel: changeLevel,
  failHealthChecks: (fail) => calls.push(['health', fail]),
  drainListeners: (options: DrainOptions) => calls.push(options),
  reopenLogs: () => calls.push('reopen'),
  quit: () => calls.push('quit'),
};

const server = new AdminServer(context, store);
let port = 0;

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

function ask(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        body += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.rawHeaders, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

async function bodyOf(path: string, method = 'GET'): Promise<string> {
  return (await ask(path, method)).body;
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
async function jsonOf(path: string): Promise<any> {
  return JSON.parse(await bodyOf(path));
}

function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('close', () => resolve(text));
  });
}

before(async () => {
  const bound = await server.listen(ipAddress('127.0.0.1', 0));
  assert.ok('address' in bound);
  port = bound.address.port;
  setLogLevels('off', {});
  const counts = store.block(HOST, 'cluster.a.host.127.0.0.1:80.');
  counts[HOST.slot.rq_total] = 3;
  counts[HOST.slot.cx_active] = 1;
  const live = store.gauge('server.live');
  live.values[live.index] = 1;
});
beforeEach(() => {
  calls = [];
  state = 'LIVE';
});
after(() => server.close());

test("the head is Envoy's, in its order", async () => {
  const { status, headers, body } = await ask('/ready', 'GET', { connection: 'keep-alive' });
  assert.deepEqual([status, body], [200, 'LIVE\n']);
  assert.match(headers[7], /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.deepEqual(headers.toSpliced(7, 1), [
    'content-type',
    'text/plain; charset=UTF-8',
    'cache-control',
    'no-cache, max-age=0',
    'x-content-type-options',
    'nosniff',
    'date',
    'server',
    'envoy',
    'transfer-encoding',
    'chunked',
  ]);
});

test('two requests on a connection, then HTTP/1.0, then what is not HTTP', async () => {
  const two = await raw(
    'GET /ready HTTP/1.1\r\nhost: a\r\n\r\nHEAD /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  );
  assert.equal(two.match(/HTTP\/1.1 200 OK/g)?.length, 2);
  assert.equal(two.match(/LIVE/g)?.length, 1);
  assert.equal(two.match(/connection: close/g)?.length, 1);
  assert.match(await raw('GET /ready HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\nLIVE\n$/);
  assert.match(await raw('BAD\r\n\r\n'), /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*\r\n\r\nBad Request$/);
});

test('/ready says why not', async () => {
  state = 'DRAINING';
  const { status, body } = await ask('/ready');
  assert.deepEqual([status, body], [503, 'DRAINING\n']);
});

test('unknown paths, wrong methods, doubled slashes', async () => {
  const unknown = await ask('/nosuch');
  assert.equal(unknown.status, 404);
  assert.ok(unknown.body.startsWith('invalid path. admin commands are:\n  /: Admin home page\n'));
  const wrong = await ask('/quitquitquit');
  assert.deepEqual([wrong.status, wrong.body], [405, 'Method GET not allowed, POST required.']);
  assert.equal((await ask('/quitquitquit', 'DELETE')).body, 'Method DELETE not allowed, POST required.');
  assert.equal((await ask('/ready/')).status, 404);
  assert.equal(await bodyOf('//stats?filter=server.live'), 'server.live: 1\n');
  assert.equal(await bodyOf('/ready', 'POST'), 'LIVE\n');
});

test("every line of /help is one of Envoy's", async () => {
  const envoys = new Set(readFileSync(new URL('testdata/help.txt', import.meta.url), 'utf8').split('\n'));
  const ours = (await bodyOf('/help')).split('\n');
  assert.deepEqual(
    ours.filter((line) => !envoys.has(line)),
    [],
  );
  assert.ok(ours.length > 50);
});

test('commands reach the server', async () => {
  for (const path of ['/healthcheck/fail', '/healthcheck/ok', '/drain_listeners?graceful', '/reopen_logs']) {
    assert.equal(await bodyOf(path, 'POST'), 'OK\n');
  }
  assert.deepEqual(calls, [
    ['health', true],
    ['health', false],
    { graceful: true, skipExit: false, inboundOnly: false },
    'reopen',
  ]);
  assert.equal(await bodyOf('/quitquitquit', 'POST'), 'OK\n');
  for (let i = 0; i < 100 && !calls.includes('quit'); i++) await new Promise(setImmediate);
  assert.ok(calls.includes('quit'));
});

test('small endpoints', async () => {
  assert.equal(await bodyOf('/certs'), '{\n "certificates": []\n}\n');
  assert.equal(await bodyOf('/runtime'), '{\n "entries": {},\n "layers": []\n}\n');
  assert.equal(await bodyOf('/init_dump'), '{}\n');
  assert.equal(await bodyOf('/hot_restart_version'), 'disabled');
  const modify = await ask('/runtime_modify?a=b', 'POST');
  assert.deepEqual([modify.status, modify.body], [503, 'No admin layer specified']);
  const form = (type: string) =>
    raw(`POST /runtime_modify HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${type}content-length: 7\r\n\r\na=b&c=d`);
  // Parameters may come as a form, which must say that it is one.
  assert.match(await form('content-type: application/x-www-form-urlencoded\r\n'), /^HTTP\/1.1 503 /);
  assert.match(await form(''), /^HTTP\/1.1 400 /);
  const memory = await jsonOf('/memory');
  assert.deepEqual(Object.keys(memory), [
    'allocated',
    'heap_size',
    'pageheap_unmapped',
    'pageheap_free',
    'total_thread_cache',
    'total_physical_bytes',
  ]);
  assert.match(await bodyOf('/'), /<form action='quitquitquit' method='post'/);
});

test('/listeners', async () => {
  assert.equal(await bodyOf('/listeners'), 'main::127.0.0.1:10000\nv6::[::]:10001\n');
  const {
    listener_statuses: [main],
  } = await jsonOf('/listeners?format=json');
  assert.deepEqual(main, {
    name: 'main',
    local_address: { socket_address: { address: '127.0.0.1', port_value: 10000 } },
  });
});

test('/clusters as text', async () => {
  const lines = (await bodyOf('/clusters')).split('\n');
  assert.deepEqual(lines.slice(0, 12), [
    'a::observability_name::a',
    'a::default_priority::max_connections::1024',
    'a::default_priority::max_pending_requests::1024',
    'a::default_priority::max_requests::1024',
    'a::default_priority::max_retries::3',
    'a::high_priority::max_connections::1024',
    'a::high_priority::max_pending_requests::1024',
    'a::high_priority::max_requests::1024',
    'a::high_priority::max_retries::3',
    'a::added_via_api::false',
    'a::127.0.0.1:80::cx_active::1',
    'a::127.0.0.1:80::cx_connect_fail::0',
  ]);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('a::[::1]:81::')).map((line) => line.slice(13)),
    [
      ...['cx_active', 'cx_connect_fail', 'cx_total', 'rq_active', 'rq_error', 'rq_pending_active', 'rq_success'],
      ...['rq_timeout', 'rq_total'],
    ]
      .map((name) => `${name}::0`)
      .concat(
        'hostname::b',
        'health_flags::/failed_outlier_check',
        'weight::1',
        'region::',
        'zone::',
        'sub_zone::',
        'canary::false',
        'priority::1',
        'success_rate::-1',
        'local_origin_success_rate::-1',
      ),
  );
  assert.equal(await bodyOf('/clusters?filter=b'), '');
});

test('/clusters as JSON', async () => {
  const {
    cluster_statuses: [cluster],
  } = await jsonOf('/clusters?format=json');
  assert.deepEqual(Object.keys(cluster), ['name', 'host_statuses', 'circuit_breakers', 'observability_name']);
  const [first, second] = cluster.host_statuses;
  assert.deepEqual(first.stats[5], { value: '3', name: 'rq_total' });
  assert.deepEqual(first.stats[6], { type: 'GAUGE', value: '1', name: 'cx_active' });
  assert.deepEqual(first.health_status, { eds_health_status: 'HEALTHY' });
  assert.deepEqual(second.health_status, { failed_outlier_check: true, eds_health_status: 'HEALTHY' });
});

test('/server_info', async () => {
  const info = await jsonOf('/server_info');
  assert.deepEqual(Object.keys(info), [
    'version',
    'state',
    'uptime_current_epoch',
    'uptime_all_epochs',
    'hot_restart_version',
    'command_line_options',
    'node',
    'hot_restart_initializing',
  ]);
  assert.equal(info.node.id, 'node-1');
  assert.match(info.uptime_all_epochs, /^\d+s$/);
});

test('/logging', async () => {
  assert.match(await bodyOf('/logging', 'POST'), /^active loggers:\n {2}a2a: off\n[\s\S]*\n {2}ip_tagging: off\n\n$/);
  assert.match(await bodyOf('/logging?http=debug', 'POST'), /\n {2}http: debug\n/);
  assert.match(
    await bodyOf('/logging?paths=http:warn,main:error', 'POST'),
    /\n {2}http: warning\n[\s\S]* main: error\n/,
  );
  for (const [query, problem] of [
    ['level=foo', 'unknown logger level'],
    ['foo=debug', 'unknown logger name'],
    ['paths=http', 'empty logger name or empty logger level'],
    ['a=b&c=d', 'invalid number of parameters'],
    ['group=http:debug', 'group parameter requires fine-grain logging to be enabled'],
  ]) {
    const { status, body } = await ask(`/logging?${query}`, 'POST');
    assert.equal(status, 400);
    assert.ok(body.startsWith(`error: ${problem}\n\nusage: /logging?<name>=<level> (change single level)\n`));
  }
  assert.match(await bodyOf('/logging?level=off', 'POST'), /\n {2}main: off\n/);
});

test("/stats refuses with Envoy's texts", async () => {
  for (const [query, text] of [
    ['format=foo', 'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n'],
    ['type=foo', 'invalid &type= param'],
    ['filter=*', 'Invalid re2 regex: no argument for repetition operator: *'],
    ['filter=(', 'Invalid re2 regex: missing ): ('],
    ['filter=a**', 'Invalid re2 regex: bad repetition operator: **'],
    ['filter=%5C', 'Invalid re2 regex: trailing \\'],
    ['invert_filter', 'invert_filter can only be used if filter is also provided'],
    ['format=prometheus&histogram_buckets=disjoint', 'unsupported prometheus histogram bucket mode'],
  ]) {
    const { status, body } = await ask(`/stats?${query}`);
    assert.deepEqual([status, body], [400, text]);
  }
});

test('/stats filters', async () => {
  assert.equal(await bodyOf('/stats?filter=server%2Elive%7Cnone'), 'server.live: 1\n');
  assert.equal(await bodyOf('/stats?filter=^ser+ver.live'), 'server.live: 1\n');
  assert.equal(await bodyOf('/stats?format=json&filter=^server.live'), '{"stats":[{"name":"server.live","value":1}]}');
  assert.equal(await bodyOf('/stats?format=json&filter=none'), '{"stats":[]}');
  assert.equal(await bodyOf('/stats?type=Counters&filter=server.live'), '');
  assert.ok(!(await bodyOf('/stats?invert_filter&filter=^server')).includes('server.live'));
  assert.equal(
    await bodyOf('/stats/prometheus?filter=^server.live'),
    '# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n',
  );
  assert.match(await bodyOf('/stats?format=html&filter=server.live'), /<pre>\nserver.live: 1\n<\/pre>/);
});

test('the interface counts itself, and resets', async () => {
  assert.match(await bodyOf('/stats?filter=^http.admin.downstream_rq_total'), /: [1-9]\d*\n$/);
  assert.equal(await bodyOf('/reset_counters', 'POST'), 'OK\n');
  assert.equal(
    await bodyOf('/stats?filter=^listener.admin.downstream_cx_total'),
    'listener.admin.downstream_cx_total: 1\n',
  );
});

test('a reply of megabytes arrives whole', async () => {
  for (let i = 0; i < 50_000; i++) store.counter(`many.of_a_rather_long_name.${i}`);
  const body = await bodyOf('/stats?filter=^many');
  assert.equal(body.split('\n').length, 50_001);
  const slow = connect(port, '127.0.0.1', () => slow.write('GET /stats HTTP/1.1\r\nhost: a\r\n\r\n'));
  await new Promise((resolve) => slow.once('data', resolve));
  slow.destroy();
  assert.equal(await bodyOf('/ready'), 'LIVE\n');
});

test('a port that is taken is an answer, not an exception', async () => {
  const second = new AdminServer(context, store);
  assert.deepEqual(await second.listen(ipAddress('127.0.0.1', port)), {
    error: `cannot bind '127.0.0.1:${port}': address already in use`,
  });
  await second.close();
});

test('allow_paths: what does not match with its query is forbidden', async () => {
  const admin = message<envoy.config.bootstrap.v3.Bootstrap>('envoy.config.bootstrap.v3.Bootstrap', {
    admin: { allowPaths: [{ exact: '/ready' }, { prefix: '/stats/' }] },
  });
  const guarded = new AdminServer({ ...context, bootstrap: admin }, new ThreadStats(() => {}));
  const bound = await guarded.listen(ipAddress('127.0.0.1', 0));
  assert.ok('address' in bound);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${bound.address.port}${path}`);
    return [response.status, (await response.text()).split('\n')[0]];
  };
  assert.deepEqual(await get('//ready'), [200, 'LIVE']);
  assert.equal((await get('/stats/prometheus'))[0], 200);
  for (const path of ['/ready?x=1', '/stats', '/quitquitquit']) {
    assert.deepEqual(await get(path), [403, `request to path ${path} not allowed`]);
  }
  await guarded.close();
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import type { FormatContext } from '../spi/format.ts';
import { compileRouteConfiguration, type RouteTable } from './route_table.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;

function table(config: JsonObject): RouteTable {
  const type = messageType('envoy.config.route.v3.RouteConfiguration');
  return compileRouteConfiguration(fromJson(type, config, { registry }) as unknown as RouteConfiguration);
}

/** One virtual host for all domains; a string for an action is a cluster. */
function routes(...list: [JsonObject, JsonObject | string, JsonObject?][]): RouteTable {
  const routes = list.map(([match, action, more]) => ({ match, ...act(action), ...more }));
  return table({ virtualHosts: [{ name: 'all', domains: ['*'], routes }] });
}

const act = (action: JsonObject | string): JsonObject =>
  typeof action === 'string' ? { route: { cluster: action } } : action;

function request(
  path: string,
  options: { method?: string; host?: string; headers?: [string, string][] } = {},
): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of options.headers ?? []) headers.add(headerName(name), value);
  const { method = 'GET', host = 'example.test' } = options;
  return { method, path, authority: host, scheme: 'http', protocol: 'HTTP/1.1', headers };
}

function contextOf(head: RequestHead): FormatContext {
  return { request: head } as FormatContext;
}

/** The cluster, or status and location, or `404`. */
function ask(of: RouteTable, head: RequestHead, random = 0): string {
  const route = of.route(head, random);
  if (route === undefined) return '404';
  if (route.kind === 'forward') return route.selectCluster(head) ?? String(route.clusterNotFoundStatus);
  return `${route.status} ${route.redirectLocation(head, contextOf(head))}`.trim();
}

/** What an upstream would see. */
function sent(of: RouteTable, head: RequestHead, random = 0): string {
  const route = of.route(head, random)!;
  route.rewrite(head, contextOf(head));
  const extra = head.headers.names.map((name, i) => ` ${name.text}=${head.headers.values[i]}`);
  return `${head.authority} ${head.path}${extra.join('')}`;
}

test('paths: the first match of the list wins', () => {
  const of = routes(
    [{ path: '/exact' }, 'exact'],
    [{ pathSeparatedPrefix: '/api' }, 'separated'],
    [{ safeRegex: { regex: '/item/[0-9]+' } }, 'regex'],
    [{ prefix: '/a/b' }, 'ab'],
    [{ prefix: '/a' }, 'a'],
    [{ prefix: '/a/b/c' }, 'never'],
    [{ path: '/Case', caseSensitive: false }, 'case'],
    [{ prefix: '/i', caseSensitive: false }, 'i'],
    [{ prefix: '/item/7' }, 'late'],
    [{ connectMatcher: {} }, 'connect'],
  );
  const cases: Record<string, string> = {
    '/exact': 'exact',
    '/exact?q=/': 'exact',
    '/exact/more': '404',
    '/EXACT': '404',
    '/api': 'separated',
    '/api/v1': 'separated',
    '/api?x': 'separated',
    '/apis': 'a',
    '/item/42?x=y': 'regex',
    '/item/42/': 'i',
    '/Item/7': 'i',
    '/a/b/c': 'ab',
    '/a/c': 'a',
    '/?/a': '404',
    '/cASE': 'case',
    '/cASEs': '404',
  };
  for (const [path, cluster] of Object.entries(cases)) assert.equal(ask(of, request(path)), cluster, path);
  assert.equal(ask(of, request('', { method: 'CONNECT' })), 'connect');
  assert.equal(ask(of, request('/zz', { method: 'CONNECT' })), 'connect');
});

test('conditions: a route that fails one leaves the request to the next', () => {
  const of = routes(
    [{ prefix: '/', headers: [{ name: 'x-env', stringMatch: { exact: 'canary' } }] }, 'canary'],
    [{ prefix: '/q', queryParameters: [{ name: 'debug', stringMatch: { exact: '1' } }] }, 'debug'],
    [{ prefix: '/q', cookies: [{ name: 'sid', stringMatch: { prefix: 'a' } }] }, 'cookie'],
    [{ prefix: '/g', grpc: {} }, 'grpc'],
    [{ prefix: '/half', runtimeFraction: { defaultValue: { numerator: 50 } } }, 'half'],
    [{ prefix: '/' }, 'rest'],
  );
  assert.equal(ask(of, request('/q?debug=1', { headers: [['x-env', 'canary']] })), 'canary');
  assert.equal(ask(of, request('/q?debug=1')), 'debug');
  assert.equal(ask(of, request('/q?debug=2', { headers: [['cookie', 'x=y; sid=abc']] })), 'cookie');
  assert.equal(ask(of, request('/q')), 'rest');
  assert.equal(ask(of, request('/g', { headers: [['content-type', 'application/grpc+proto']] })), 'grpc');
  assert.equal(ask(of, request('/g', { headers: [['content-type', 'application/grpc-web']] })), 'rest');
  assert.equal(ask(of, request('/half'), 149), 'half');
  assert.equal(ask(of, request('/half'), 150), 'rest');
});

test('the index answers as a scan of the list does', () => {
  const segments = ['/a', '/ab', '/abc', '/b', '/a/', '/a/b', '/', '/api', '/apis', ''];
  let seed = 7;
  const pick = <T>(list: readonly T[]): T => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return list[(seed >> 8) % list.length];
  };
  for (let round = 0; round < 50; round++) {
    const list = Array.from({ length: 12 }, (_, i) => {
      const text = `/${pick(segments)}${pick(segments)}`.replace(/^\/\//, '/');
      const kind = pick(['prefix', 'prefix', 'path', 'regex']);
      const method = pick([undefined, undefined, 'GET', 'POST']);
      return { text, kind, method, cluster: `c${i}` };
    });
    const of = routes(
      ...list.map(({ text, kind, method, cluster }): [JsonObject, string] => [
        {
          ...(kind === 'regex' ? { safeRegex: { regex: `${text}.?` } } : { [kind]: text }),
          headers: method === undefined ? [] : [{ name: ':method', stringMatch: { exact: method } }],
        },
        cluster,
      ]),
    );
    for (let i = 0; i < 40; i++) {
      const path = `/${pick(segments)}${pick(segments)}${pick(segments)}`.replace(/^\/\//, '/');
      const expected = list.find(({ text, kind, method }) => {
        if (method !== undefined && method !== 'GET') return false;
        if (kind === 'prefix') return path.startsWith(text);
        return kind === 'path' ? path === text : path.startsWith(text) && path.length <= text.length + 1;
      });
      assert.equal(ask(of, request(path)), expected?.cluster ?? '404', path);
    }
  }
});

test('virtual hosts by domain', () => {
  const host = (name: string, ...domains: string[]) => ({
    name,
    domains,
    routes: [{ match: { prefix: '/' }, route: { cluster: name } }],
  });
  const of = table({
    virtualHosts: [
      host('one', 'api.test', '*.apps.test', '*-x.apps.test', 'web.*', 'web.very.*', 'ported.test:9000'),
      host('two', 'x.apps.test', '*s.test', 'w*'),
      host('rest', '*'),
    ],
  });
  const cases: Record<string, string> = {
    'api.test': 'one',
    'API.Test': 'one',
    'api.test:80': 'rest',
    'x.apps.test': 'two',
    'y.apps.test': 'one',
    '.apps.test': 'two',
    'apps.test': 'two',
    'web.x': 'one',
    'web.': 'two',
    wx: 'two',
    w: 'rest',
    'PORTED.test:9000': 'one',
    zz: 'rest',
  };
  for (const [name, cluster] of Object.entries(cases))
    assert.equal(ask(of, request('/', { host: name })), cluster, name);
  const portless = table({ ignorePortInHostMatching: true, virtualHosts: [host('one', 'api.test', '[::1]')] });
  assert.equal(ask(portless, request('/', { host: 'api.test:80' })), 'one');
  assert.equal(ask(portless, request('/', { host: '[::1]' })), 'one');
  assert.equal(ask(portless, request('/', { host: '[::1]:80' })), 'one');
  assert.equal(ask(portless, request('/', { host: 'b.test' })), '404');
  assert.throws(() => table({ virtualHosts: [host('one', 'a.test'), host('two', 'A.test')] }), /Only unique values/);
});

test('require_tls', () => {
  const of = table({
    virtualHosts: [
      {
        name: 'a',
        domains: ['a.test'],
        requireTls: 'ALL',
        routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }],
      },
      {
        name: 'b',
        domains: ['*'],
        requireTls: 'EXTERNAL_ONLY',
        routes: [{ match: { prefix: '/' }, route: { cluster: 'b' } }],
      },
    ],
  });
  assert.equal(ask(of, request('/x?y', { host: 'a.test' })), '301 https://a.test/x?y');
  assert.equal(ask(of, request('/x', { host: 'a.test', headers: [['x-forwarded-proto', 'https']] })), 'a');
  assert.equal(ask(of, request('/x', { host: 'b.test:80' })), '301 https://b.test:80/x');
  assert.equal(ask(of, request('/x', { headers: [['x-envoy-internal', 'true']] })), 'b');
});

test('clusters: by header and by weight', () => {
  const weighted = (more: JsonObject): JsonObject => ({
    route: {
      weightedClusters: {
        clusters: [
          { name: 'a', weight: 0 },
          { name: 'b', weight: 30 },
          { clusterHeader: 'x-c', weight: 70 },
        ],
        ...more,
      },
    },
  });
  const of = routes(
    [{ path: '/header' }, { route: { clusterHeader: 'x-c', clusterNotFoundResponseCode: 'NOT_FOUND' } }],
    [{ path: '/weighted' }, weighted({})],
    [{ path: '/by-number' }, weighted({ headerName: 'x-n' })],
  );
  const headers: [string, string][] = [['x-c', 'named']];
  assert.equal(ask(of, request('/header', { headers })), 'named');
  assert.equal(ask(of, request('/header')), '404');
  const counts = new Map<string, number>();
  for (let random = 0; random < 1000; random++) {
    const cluster = ask(of, request('/weighted', { headers }), random);
    counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(counts), { b: 300, named: 700 });
  const byNumber = (...values: string[]) =>
    ask(of, request('/by-number', { headers: [...headers, ...values.map((v): [string, string] => ['x-n', v])] }), 99);
  assert.equal(byNumber('29'), 'b');
  assert.equal(byNumber('30'), 'named');
  assert.equal(byNumber('18446744073709551615'), 'b', '2^64 - 1 is 15 modulo 100');
  assert.equal(byNumber('x'), 'named', 'no number: the random one');
  assert.equal(byNumber('1', '2'), 'named');
  const none = { route: { weightedClusters: { clusters: [{ name: 'a', weight: 0 }] } } };
  assert.throws(() => routes([{ prefix: '/' }, none]), /Sum of weights/);
});

test('path rewrites', () => {
  const forward = (more: JsonObject) => ({ route: { cluster: 'a', ...more } });
  const regex = (pattern: string, substitution: string) => ({
    regexRewrite: { pattern: { regex: pattern }, substitution },
  });
  const of = routes(
    [{ prefix: '/old' }, forward({ prefixRewrite: '/new' })],
    [{ prefix: '/drop/' }, forward({ prefixRewrite: '/' })],
    [{ prefix: '/CI', caseSensitive: false }, forward({ prefixRewrite: '/x' })],
    [{ path: '/exact' }, forward({ prefixRewrite: '/other' })],
    [{ safeRegex: { regex: '/sr/.*' } }, forward({ prefixRewrite: '/all' })],
    [{ prefix: '/users/' }, forward(regex('^/users/([0-9]+)/(.*)$', '/\\2/of/\\1'))],
    [{ prefix: '/gone' }, forward(regex('/gone', ''))],
    [{ prefix: '/same' }, forward(regex('zzz', ''))],
    [
      {
        pathMatchPolicy: {
          name: 'm',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
            path_template: '/t/{x}/{y=**}',
          },
        },
      },
      forward({
        pathRewritePolicy: {
          name: 'r',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig',
            path_template_rewrite: '/n/{y}/k/{x}',
          },
        },
      }),
    ],
  );
  const cases: Record<string, string> = {
    '/old/page?x=1': '/new/page?x=1 x-envoy-original-path=/old/page?x=1',
    '/old': '/new x-envoy-original-path=/old',
    '/drop/me': '/me x-envoy-original-path=/drop/me',
    '/cIy': '/xy x-envoy-original-path=/cIy',
    '/exact?q': '/other?q x-envoy-original-path=/exact?q',
    '/sr/1?2': '/all?2 x-envoy-original-path=/sr/1?2',
    '/users/7/profile': '/profile/of/7 x-envoy-original-path=/users/7/profile',
    '/gone': '/gone',
    '/same': '/same x-envoy-original-path=/same',
    '/t/1/2/3?q=1': '/n/2/3/k/1?q=1 x-envoy-original-path=/t/1/2/3?q=1',
  };
  for (const [path, expected] of Object.entries(cases)) {
    assert.equal(sent(of, request(path)), `example.test ${expected}`, path);
  }
  const head = request('/old');
  of.route(head, 0)!.rewrite(head, contextOf(head), false);
  assert.equal(head.headers.size, 0, 'suppress_envoy_headers');
});

test('host rewrites', () => {
  const of = routes(
    [{ path: '/lit' }, { route: { cluster: 'a', hostRewriteLiteral: 'lit.test', appendXForwardedHost: true } }],
    [{ path: '/hdr' }, { route: { cluster: 'a', hostRewriteHeader: 'x-h' } }],
    [
      { prefix: '/re/' },
      {
        route: {
          cluster: 'a',
          hostRewritePathRegex: { pattern: { regex: '^/re/([^/]+)/.*$' }, substitution: '\\1.re' },
        },
      },
    ],
    [
      { path: '/weighted' },
      {
        route: {
          weightedClusters: { clusters: [{ name: 'a', weight: 1, hostRewriteLiteral: 'wc.test' }] },
          appendXForwardedHost: true,
        },
      },
    ],
    [{ path: '/auto' }, { route: { cluster: 'a', autoHostRewrite: true, appendXForwardedHost: true } }],
  );
  const cases: [RequestHead, string][] = [
    [request('/lit'), 'lit.test /lit x-envoy-original-host=example.test x-forwarded-host=example.test'],
    [
      request('/lit', { headers: [['x-forwarded-host', 'p.test']] }),
      'lit.test /lit x-forwarded-host=p.test,example.test x-envoy-original-host=example.test',
    ],
    [
      request('/lit', { headers: [['x-forwarded-host', 'p.test,example.test']] }),
      'lit.test /lit x-forwarded-host=p.test,example.test x-envoy-original-host=example.test',
    ],
    [request('/hdr'), 'example.test /hdr'],
    [request('/hdr', { headers: [['x-h', 'h.test']] }), 'h.test /hdr x-h=h.test x-envoy-original-host=example.test'],
    [request('/re/foo/x?y'), 'foo.re /re/foo/x?y x-envoy-original-host=example.test'],
    [request('/weighted'), 'wc.test /weighted'],
    [request('/auto'), 'example.test /auto'],
  ];
  for (const [head, expected] of cases) assert.equal(sent(of, head), expected);
  const head = request('/auto');
  const route = of.route(head, 0)!;
  assert.equal(route.autoHostRewrite, true);
  route.rewriteHost(head, 'up.test');
  assert.equal(head.authority, 'up.test');
  assert.equal(head.headers.get(headerName('x-forwarded-host')), 'example.test');
});

test('redirects', () => {
  const redirect = (path: string, action: JsonObject): [JsonObject, JsonObject] => [
    { prefix: path },
    { redirect: action },
  ];
  const of = routes(
    redirect('/https', { httpsRedirect: true }),
    redirect('/scheme', { schemeRedirect: 'ftp' }),
    redirect('/host', { hostRedirect: 'other.test', responseCode: 'FOUND' }),
    redirect('/path', { pathRedirect: '/elsewhere', responseCode: 'SEE_OTHER' }),
    redirect('/strip', { pathRedirect: '/elsewhere', stripQuery: true, responseCode: 'TEMPORARY_REDIRECT' }),
    redirect('/query', { pathRedirect: '/q?fixed=1', stripQuery: true }),
    redirect('/relative', { pathRedirect: 'noslash' }),
    redirect('/pre/', { prefixRewrite: '/post/', portRedirect: 8443, responseCode: 'PERMANENT_REDIRECT' }),
    redirect('/re/', { regexRewrite: { pattern: { regex: '^/re/(.*)$' }, substitution: '/to/\\1' } }),
    redirect('/own', {}),
  );
  const cases: [string, string, string][] = [
    ['/https/x?a=1', 'www.test:8080', '301 https://www.test:8080/https/x?a=1'],
    ['/https', 'h.test:80', '301 https://h.test/https'],
    ['/https', '[::1]:80', '301 https://[::1]/https'],
    ['/https', '[::1]', '301 https://[::1]/https'],
    ['/https', 'h.test:443', '301 https://h.test:443/https'],
    ['/scheme', 'h.test', '301 ftp://h.test/scheme'],
    ['/host?x', 'h.test:1', '302 http://other.test/host?x'],
    ['/path?keep=1', 'h.test', '303 http://h.test/elsewhere?keep=1'],
    ['/strip?gone=1', 'h.test', '307 http://h.test/elsewhere'],
    ['/query?gone=1', 'h.test', '301 http://h.test/q?fixed=1'],
    ['/relative?z', 'h.test', '301 http://h.test/noslash?z'],
    ['/pre/rest?q', 'h.test:99', '308 http://h.test:8443/post/rest?q'],
    ['/re/a/b?q=1', 'h.test', '301 http://h.test/to/a/b?q=1'],
    ['/own', 'h.test:80', '301 http://h.test:80/own'],
  ];
  for (const [path, host, expected] of cases) assert.equal(ask(of, request(path, { host })), expected);
  const head = request('/pre/rest');
  ask(of, head);
  assert.equal(head.path, '/post/rest', 'the access log shows the path of the redirect');
  assert.equal(head.headers.get(headerName('x-envoy-original-path')), '/pre/rest');
});

test('direct responses', () => {
  const folder = mkdtempSync(join(tmpdir(), 'direct-response-'));
  try {
    const filename = join(folder, 'body.txt');
    writeFileSync(filename, 'from a file');
    const of = routes(
      [{ path: '/text' }, { directResponse: { status: 404, body: { inlineString: 'no such thing é' } } }],
      [{ path: '/file' }, { directResponse: { status: 200, body: { filename } } }],
      [{ path: '/moved' }, { directResponse: { status: 302 } }],
    );
    const route = of.route(request('/text'), 0)!;
    assert.deepEqual([route.kind, route.status, route.body], ['direct_response', 404, 'no such thing é']);
    assert.equal(of.route(request('/file'), 0)!.body, 'from a file');
    assert.equal(ask(of, request('/text')), '404');
    assert.equal(ask(of, request('/moved?x')), '302 http://example.test/moved?x');
    const long = { directResponse: { status: 200, body: { inlineString: 'x'.repeat(4097) } } };
    assert.throws(() => routes([{ prefix: '/' }, long]), /response body size is 4097 bytes; maximum is 4096/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('timeouts, priority and the retry policy of the virtual host', () => {
  const of = table({
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        retryPolicy: { retryOn: '5xx', numRetries: 4 },
        includeRequestAttemptCount: true,
        routes: [
          { match: { path: '/default' }, name: 'r', route: { cluster: 'a' } },
          {
            match: { path: '/own' },
            route: {
              cluster: 'a',
              timeout: '0s',
              idleTimeout: '1.5s',
              priority: 'HIGH',
              maxStreamDuration: { maxStreamDuration: '3s', grpcTimeoutHeaderMax: '0s' },
              retryPolicy: { retryOn: 'reset' },
            },
          },
        ],
      },
    ],
  });
  const byDefault = of.route(request('/default'), 0)!;
  assert.deepEqual(
    [byDefault.name, byDefault.timeoutMs, byDefault.idleTimeoutMs, byDefault.priority],
    ['r', 15_000, undefined, 0],
  );
  assert.equal(byDefault.retryPolicy?.numRetries, 4);
  assert.deepEqual([byDefault.includeRequestAttemptCount, byDefault.includeResponseAttemptCount], [true, false]);
  const own = of.route(request('/own'), 0)!;
  assert.deepEqual([own.timeoutMs, own.idleTimeoutMs, own.priority], [0, 1500, 1]);
  assert.deepEqual(
    [own.maxStreamDurationMs, own.grpcTimeoutHeaderMaxMs, own.grpcTimeoutHeaderOffsetMs],
    [3000, 0, undefined],
  );
  assert.equal(own.retryPolicy?.numRetries, 1);
});

test('header mutations in the order of Envoy', () => {
  const add = (value: string) => ({
    requestHeadersToAdd: [{ header: { key: 'x-l', value } }],
    responseHeadersToAdd: [{ header: { key: 'x-l', value } }],
  });
  const levels = (mostSpecificHeaderMutationsWins: boolean) => {
    const clusters = [{ name: 'a', weight: 1, ...add('weighted') }];
    const of = table({
      mostSpecificHeaderMutationsWins,
      ...add('table'),
      virtualHosts: [
        {
          name: 'v',
          domains: ['*'],
          ...add('host'),
          routes: [{ match: { prefix: '/' }, route: { weightedClusters: { clusters } }, ...add('route') }],
        },
      ],
    });
    const head = request('/');
    const route = of.route(head, 0)!;
    const context = {} as FormatContext;
    route.applyRequestHeaders(head, context);
    const response: ResponseHead = { status: 200, protocol: 'HTTP/1.1', headers: new HeaderMap() };
    route.applyResponseHeaders(response, context);
    const xl = headerName('x-l');
    assert.equal(response.headers.getAll(xl), head.headers.getAll(xl));
    return head.headers.getAll(xl);
  };
  assert.equal(levels(false), 'weighted,route,host,table');
  assert.equal(levels(true), 'weighted,table,host,route');
});

test('typed_per_filter_config: the most specific level wins', () => {
  const buffer = (bytes: number) => ({
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer',
    max_request_bytes: bytes,
  });
  const disabled = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
  const of = table({
    typedPerFilterConfig: { one: buffer(1), two: buffer(2) },
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        typedPerFilterConfig: { two: buffer(3) },
        routes: [
          { match: { path: '/own' }, route: { cluster: 'a' }, typedPerFilterConfig: { one: buffer(4), off: disabled } },
          { match: { prefix: '/' }, route: { cluster: 'a' } },
        ],
      },
    ],
  });
  const size = (path: string, name: string) => {
    const config = of.route(request(path), 0)!.perFilterConfig(name) as { maxRequestBytes: number } | undefined;
    return config?.maxRequestBytes;
  };
  assert.deepEqual(
    [size('/own', 'one'), size('/own', 'two'), size('/x', 'one'), size('/x', 'none')],
    [4, 3, 1, undefined],
  );
  assert.equal(of.route(request('/own'), 0)!.filterDisabled('off'), true);
  assert.equal(of.route(request('/own'), 0)!.filterDisabled('one'), false);
  assert.equal(of.route(request('/own'), 0)!.filterDisabled('none'), undefined);
  assert.equal(of.switchesFilters, true);
});

/** Access logs of the real proxy: the default line, a format of one's own, what is logged for each way a request can end. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;

const format = `${[
  '%REQ(:PATH)%', '%REQ(:METHOD)%', '%PROTOCOL%', '%RESPONSE_CODE%', '%RESPONSE_FLAGS%', '%RESPONSE_CODE_DETAILS%',
  '%BYTES_RECEIVED%', '%BYTES_SENT%', '%UPSTREAM_HOST%', '%UPSTREAM_CLUSTER%', '%ROUTE_NAME%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '%REQ(X-LONG):4%', '%REQ(X-NONE?X-LONG)%', '%RESP(X-UP)%', '%REQUESTED_SERVER_NAME%',
].join(' ')}\n`; // biome-ignore format: one screen

before(async () => {
  upstream = await startUpstream();
  proxy = await startProxy((dir) => {
    const routes = [{ ...route('/', 'a', { timeout: '0.3s' }), name: 'rest' }];
    const loggers = [fileAccessLog(path.join(dir, 'default.log')), fileAccessLog(path.join(dir, 'own.log'), format)];
    const named = httpListener(
      'main',
      [{ match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: 'x' } } }, ...routes],
      { access_log: loggers },
    );
    return bootstrap([named], [cluster('a', [upstream.port])]);
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

/** The line of a log about the request of this path. */
async function lineOf(log: string, requestPath: string): Promise<string> {
  const find = (): string | undefined =>
    readFileSync(path.join(proxy.dir, log), 'utf8')
      .split('\n')
      .find((line) => line.includes(`${requestPath} `));
  return waitFor(`line of ${requestPath}`, find);
}

test('the default line', async () => {
  await request(proxy.port('main'), '/default?x=1', {
    method: 'POST',
    body: 'body!',
    headers: { 'User-Agent': 'ua/1', 'X-Forwarded-For': '10.1.1.1', 'X-Request-Id': 'id-1' },
  });
  const line = await lineOf('default.log', '/default?x=1');
  assert.match(
    line,
    /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "POST \/default\?x=1 HTTP\/1\.1" 200 - 5 18 \d+ \d+ "10\.1\.1\.1" "ua\/1" "id-1" "test" "127\.0\.0\.1:\d+"$/,
  );
  const logged = Date.parse(line.slice(1, 25));
  assert.ok(Math.abs(logged - Date.now()) < 10_000, 'in UTC');
});

test("a format of one's own", async () => {
  upstream.script = {
    respond: (_request, socket) => socket.write('HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 3\r\n\r\nabc'),
  };
  await request(proxy.port('main'), '/own', { headers: { 'X-Long': 'abcdefgh' } });
  upstream.script = {};
  assert.equal(
    await lineOf('own.log', '/own'),
    `/own GET HTTP/1.1 200 - via_upstream 0 3 127.0.0.1:${upstream.port} a rest 127.0.0.1 abcd abcdefgh 1 -`,
  );
});

test('a direct response', async () => {
  await request(proxy.port('main'), '/direct');
  assert.match(
    await lineOf('own.log', '/direct'),
    /^\/direct GET HTTP\/1\.1 200 - direct_response 0 1 - - - 127\.0\.0\.1 - - - -$/,
  );
});

test('an upstream that does not answer', async () => {
  upstream.script = { onHead: () => true };
  await request(proxy.port('main'), '/timeout');
  assert.match(await lineOf('own.log', '/timeout'), /^\/timeout GET HTTP\/1\.1 504 UT response_timeout 0 24 127/);
  upstream.script = {};
});

test('a client that goes away', async () => {
  upstream.script = { onHead: () => true };
  const client = await RawClient.connect(proxy.port('main'));
  client.send(requestBytes('/gone'));
  await waitFor('request upstream', () => upstream.requests.at(-1)?.path === '/gone');
  client.destroy();
  assert.match(await lineOf('own.log', '/gone'), /^\/gone GET HTTP\/1\.1 0 DC downstream_remote_disconnect 0 0 127/);
  upstream.script = {};
});

test('a request that is none', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  client.send('BROKEN\r\n\r\n');
  await client.response();
  client.destroy();
  assert.match(
    await lineOf('own.log', 'http1.codec_error'),
    /^- - HTTP\/1\.1 400 DPE http1\.codec_error 0 11 - - - 127\.0\.0\.1 /,
  );
});

test('one line for each of many requests', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  const paths = Array.from({ length: 200 }, (_, i) => `/many/${i}`);
  client.send(Buffer.concat(paths.map((target) => requestBytes(target))));
  for (const _ of paths) await client.response();
  client.destroy();
  await lineOf('own.log', '/many/199');
  const text = readFileSync(path.join(proxy.dir, 'own.log'), 'utf8');
  assert.equal(text.match(/^\/many\/\d+ /gm)?.length, 200);
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { messageType, registry } from '../api/registry.ts';
import { StreamInfo } from '../common/stream_info.ts';
import { InternalRedirectPolicy } from './internal_redirect.ts';
import type { Route } from './route.ts';

const policy = (json: JsonObject = {}): InternalRedirectPolicy =>
  new InternalRedirectPolicy(
    fromJson(messageType('envoy.config.route.v3.InternalRedirectPolicy'), json, { registry }) as never,
  );

function head(method = 'GET'): RequestHead {
  const headers = new HeaderMap();
  headers.add(headerName('content-length'), '3');
  return { method, path: '/from?q', authority: 'a.test', scheme: 'http', protocol: 'HTTP/1.1', headers };
}

function answer(location: string | undefined, status = 302): ResponseHead {
  const headers = new HeaderMap();
  if (location !== undefined) headers.add(headerName('location'), location);
  return { status, protocol: 'HTTP/1.1', headers };
}

const found = { name: 'found' } as Route;

function apply(
  of: InternalRedirectPolicy,
  request: RequestHead,
  response: ResponseHead,
  info = new StreamInfo(undefined, 0, 0),
) {
  return of.apply(request, response, info, 'from', () => found);
}

test('the request becomes the one it is redirected to', () => {
  const request = head();
  assert.equal(apply(policy(), request, answer('HTTP://B.test:81/to?x=1#part')), undefined);
  assert.deepEqual([request.scheme, request.authority, request.path], ['http', 'B.test:81', '/to?x=1']);
  assert.equal(request.headers.get(headerName('x-envoy-original-url')), 'http://a.test/from?q');
  const bare = head();
  apply(policy(), bare, answer('http://b.test?x=1'));
  assert.equal(bare.path, '/?x=1');
});

test('303 makes a GET of anything but HEAD', () => {
  const all = policy({ redirectResponseCodes: [303] });
  const post = head('POST');
  apply(all, post, answer('http://b.test/', 303));
  assert.deepEqual([post.method, post.headers.has(headerName('content-length'))], ['GET', false]);
  const probe = head('HEAD');
  apply(all, probe, answer('http://b.test/', 303));
  assert.equal(probe.method, 'HEAD');
});

test('what is not followed leaves the request as it was', () => {
  for (const [location, reason] of [
    [undefined, ''],
    ['', 'bad_location'],
    ['/relative', 'bad_location'],
    ['ftp://b.test/', 'unsafe_scheme'],
    ['https://b.test/', 'unsafe_scheme'],
  ] as const) {
    const request = head();
    assert.equal(apply(policy(), request, answer(location)), reason);
    assert.deepEqual(request, head());
  }
  const copies = policy({ responseHeadersToCopy: ['x-copied', 'content-length'] });
  const request = head();
  const response = answer('http://b.test/');
  response.headers.add(headerName('x-copied'), '1');
  assert.equal(
    copies.apply(request, response, new StreamInfo(undefined, 0, 0), '', () => undefined),
    'no_route',
  );
  assert.deepEqual(request, head());
  assert.equal(apply(copies, request, response), undefined);
  assert.equal(request.headers.get(headerName('x-copied')), '1');
  assert.equal(request.headers.has(headerName('content-length')), false);
});

test('as often as the policy allows, over all streams of the request', () => {
  const twice = policy({ maxInternalRedirects: 2 });
  const info = new StreamInfo(undefined, 0, 0);
  const outcomes = [1, 2, 3].map(() => apply(twice, head(), answer('http://b.test/'), info));
  assert.deepEqual(outcomes, [undefined, undefined, 'too_many_redirects']);
});

test('statuses: 302 unless others are named, and of those only redirects', () => {
  assert.deepEqual([policy().follows(302), policy().follows(301)], [true, false]);
  const others = policy({ redirectResponseCodes: [301, 404] });
  assert.deepEqual(
    [301, 302, 404].map((status) => others.follows(status)),
    [true, false, false],
  );
  assert.equal(policy({ redirectResponseCodes: [404] }).follows(302), false);
});

test('the same route is taken once with previous_routes', () => {
  const type = 'type.googleapis.com/envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig';
  const once = policy({ maxInternalRedirects: 5, predicates: [{ name: 'p', typedConfig: { '@type': type } }] });
  const info = new StreamInfo(undefined, 0, 0);
  const outcomes = [1, 2].map(() => apply(once, head(), answer('http://b.test/'), info));
  assert.deepEqual(outcomes, [undefined, 'predicate']);
});

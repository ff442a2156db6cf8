import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead } from '../../../native-free/headers/header_map.ts';
import { headerName } from '../../../native-free/headers/header_name.ts';
import type { MessageTypes } from '../../api/envoy_types.ts';
import { messageType, registry } from '../../api/registry.ts';
import { CookieMatcher } from './cookie_matcher.ts';
import { compileHeaderMatcher } from './header_matcher.ts';
import { QueryParameterMatcher } from './query_parameter_matcher.ts';
import { parseUriRewrite, parseUriTemplate } from './uri_template.ts';

function message<N extends keyof MessageTypes>(name: N, json: JsonObject): MessageTypes[N] {
  return fromJson(messageType(name), json, { registry }) as unknown as MessageTypes[N];
}

function headers(...fields: [string, string][]): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of fields) map.add(headerName(name), value);
  return map;
}

/** Which of the values match: `-` stands for a missing header, `a|b` for a header that comes twice. */
function matching(json: JsonObject, values: string[]): string {
  const matcher = compileHeaderMatcher(message('envoy.config.route.v3.HeaderMatcher', { name: 'X-T', ...json }));
  const matched = values.filter((value) => {
    const fields = value === '-' ? [] : value.split('|').map((part): [string, string] => ['x-t', part]);
    return matcher.matchesHeaders(headers(...fields));
  });
  return matched.join(' ');
}

test('header matchers, with what Envoy 1.40 answers', () => {
  const values = ['-', '', 'a', 'ab', 'aB', 'abc', '5', '-6', '9', '10', '+7', '7.0', 'a|b', 'a,b', 'b|3'];
  const cases: [JsonObject, string][] = [
    [{ presentMatch: true }, ' a ab aB abc 5 -6 9 10 +7 7.0 a|b a,b b|3'],
    [{}, ' a ab aB abc 5 -6 9 10 +7 7.0 a|b a,b b|3'],
    [{ presentMatch: false }, '-'],
    [{ presentMatch: true, invertMatch: true }, '-'],
    [{ presentMatch: false, invertMatch: true }, ' a ab aB abc 5 -6 9 10 +7 7.0 a|b a,b b|3'],
    [{ presentMatch: true, treatMissingHeaderAsEmpty: true }, '-  a ab aB abc 5 -6 9 10 +7 7.0 a|b a,b b|3'],
    [{ stringMatch: { exact: 'a' } }, 'a a|b'],
    [{ stringMatch: { exact: 'a' }, invertMatch: true }, ' ab aB abc 5 -6 9 10 +7 7.0 a,b b|3'],
    [
      { stringMatch: { exact: 'a' }, invertMatch: true, treatMissingHeaderAsEmpty: true },
      '-  ab aB abc 5 -6 9 10 +7 7.0 a,b b|3',
    ],
    [{ stringMatch: { exact: '' } }, ''],
    [{ stringMatch: { exact: '' }, treatMissingHeaderAsEmpty: true }, '- '],
    [{ exactMatch: '' }, ' a ab aB abc 5 -6 9 10 +7 7.0 a|b a,b b|3'],
    [{ exactMatch: 'a,b' }, 'a,b'],
    [{ prefixMatch: 'b' }, 'a|b b|3'],
    [{ suffixMatch: 'b' }, 'ab a|b a,b b|3'],
    [{ containsMatch: ',' }, 'a,b'],
    [{ safeRegexMatch: { regex: 'a.' } }, 'ab aB'],
    [{ stringMatch: { exact: 'AB', ignoreCase: true } }, 'ab aB'],
    [{ stringMatch: { prefix: 'aB', ignoreCase: true } }, 'ab aB abc'],
    [{ rangeMatch: { start: -5, end: 10 } }, '5 9 +7 b|3'],
    [{ rangeMatch: { start: -5, end: 10 }, invertMatch: true }, ' a ab aB abc -6 10 7.0 a|b a,b'],
  ];
  for (const [json, expected] of cases) assert.equal(matching(json, values), expected, JSON.stringify(json));
});

test('header matchers on what is not in the header map', () => {
  const head: RequestHead = {
    method: 'POST',
    path: '/x?q=1',
    authority: 'h.test',
    scheme: 'http',
    protocol: 'HTTP/1.1',
    headers: headers(),
  };
  const matches = (name: string, exact: string) =>
    compileHeaderMatcher(
      message('envoy.config.route.v3.HeaderMatcher', { name, stringMatch: { exact } }),
    ).matchesRequest(head);
  assert.equal(matches(':method', 'POST'), true);
  assert.equal(matches(':path', '/x?q=1'), true);
  assert.equal(matches(':authority', 'h.test'), true);
  assert.equal(matches('Host', 'h.test'), true);
  assert.equal(matches(':scheme', 'https'), false);
});

test('query parameter matchers look at the first value, undecoded', () => {
  const queries = [
    '',
    '?k',
    '?k=',
    '?k=1',
    '?k=2&k=1',
    '?k=1&k=2',
    '?K=1',
    '?j&k=1',
    '?xk=1',
    '?k=1=2',
    '??k=1',
    '?%6b=1',
  ];
  const matching = (json: JsonObject) => {
    const name = 'envoy.config.route.v3.QueryParameterMatcher';
    const matcher = new QueryParameterMatcher(message(name, { name: 'k', ...json }));
    return queries.filter((query) => matcher.matches(`/p${query}`)).join(' ');
  };
  assert.equal(matching({ presentMatch: true }), '?k ?k= ?k=1 ?k=2&k=1 ?k=1&k=2 ?j&k=1 ?k=1=2');
  assert.equal(matching({}), '?k ?k= ?k=1 ?k=2&k=1 ?k=1&k=2 ?j&k=1 ?k=1=2');
  assert.equal(matching({ presentMatch: false }), ' ?K=1 ?xk=1 ??k=1 ?%6b=1');
  assert.equal(matching({ stringMatch: { exact: '1' } }), '?k=1 ?k=1&k=2 ?j&k=1');
  assert.equal(matching({ stringMatch: { exact: '' } }), '?k ?k=');
});

test('cookie matchers', () => {
  const cookies = [
    '',
    's=1',
    's=2',
    'a=b; s=1',
    'a=b;s=1',
    's="1"',
    's=1; s=2',
    's=2; s=1',
    's=2|s=1',
    's = 1',
    'S=1',
    's',
  ];
  const matching = (json: JsonObject) => {
    const name = 'envoy.config.route.v3.CookieMatcher';
    const matcher = new CookieMatcher(message(name, { name: 's', stringMatch: { exact: '1' }, ...json }));
    return cookies
      .filter((text) => matcher.matches(headers(...text.split('|').map((part): [string, string] => ['cookie', part]))))
      .join(' / ');
  };
  assert.equal(matching({}), 's=1 / a=b; s=1 / a=b;s=1 / s="1" / s=1; s=2');
  assert.equal(matching({ invertMatch: true }), ' / s=2 / s=2; s=1 / s=2|s=1 / s = 1 / S=1 / s');
});

test('URI templates', () => {
  const any = parseUriTemplate('/t/*');
  assert.ok(typeof any === 'object' && new RegExp(`^${any.pattern}$`).test('/t/x;a=1'));
  const template = parseUriTemplate('/t/{x}/{y=**}');
  assert.ok(typeof template === 'object');
  assert.deepEqual(template.variables, ['x', 'y']);
  assert.deepEqual(parseUriRewrite('/n/{y}/k/{x}', template.variables), { substitution: '/n/\\2/k/\\1' });
  assert.equal(typeof parseUriRewrite('/n/{z}', template.variables), 'string');
  const wrong: Record<string, string> = {
    'a/b': 'Invalid pattern',
    '/{x}/{x}': 'Repeated variable name: "x"',
    '/**/*': 'Glob after text glob.',
    '/{x': 'Unmatched variable bracket',
    '/{1x}': 'Invalid variable name',
    '/{x=}': 'Empty variable match',
    '/a{b}': 'Invalid literal',
  };
  for (const [text, error] of Object.entries(wrong)) assert.equal(parseUriTemplate(text), error, text);
});

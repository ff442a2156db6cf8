/** Which rule a path leads to, and what its variables and query say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PathMatcher } from './path_matcher.ts';
import { parsePathTemplate } from './path_template.ts';
import { everyCharacter, exceptReserved, exceptSlash } from './url_unescape.ts';

const defaults = {
  unescape: exceptReserved,
  unescapePlus: false,
  matchUnregisteredVerb: false,
  ignoredParameters: new Set<string>(),
};

function matcherOf(rules: Record<string, string>, options = {}): (method: string, path: string) => unknown {
  const matcher = new PathMatcher<string>({ ...defaults, ...options });
  for (const [name, rule] of Object.entries(rules)) {
    const [method, text] = rule.split(' ');
    const template = parsePathTemplate(text);
    assert.ok(template, text);
    assert.ok(matcher.add(method, { template, target: name, body: '' }), rule);
  }
  return (method, path) => {
    const match = matcher.find(method, path);
    return (
      match && [match.rule.target, ...match.bindings.map(({ path: names, value }) => `${names.join('.')}=${value}`)]
    );
  };
}

test('what is a template, and what is none', () => {
  for (const text of ['/', '', 'a', '/a/', '/{a', '/a}', '/{a={b}}', '/**/**', '/a:', '/{1a}', '/{a..b}', '/{}']) {
    assert.equal(parsePathTemplate(text), undefined, text);
  }
  for (const text of ['/a', '/*', '/**', '/a/*/b:verb', '/{a.b_c=x/*/y/**}/z', '/{a}/{b=**}:v']) {
    assert.ok(parsePathTemplate(text), text);
  }
});

test('a literal goes before *, and that before **; what leads nowhere is given up', () => {
  const find = matcherOf({
    exact: 'GET /v1/shelves/main',
    one: 'GET /v1/shelves/{id}',
    deep: 'GET /v1/{name=shelves/**}',
    end: 'GET /v1/{name=files/**}/info',
    post: 'POST /v1/shelves/{id}',
    verb: 'GET /v1/shelves/{id}:copy',
    root: 'GET /**',
  });
  assert.deepEqual(find('GET', '/v1/shelves/main'), ['exact']);
  assert.deepEqual(find('GET', '/v1/shelves/3'), ['one', 'id=3']);
  assert.deepEqual(find('GET', '/v1/shelves/main/books/3'), ['deep', 'name=shelves/main/books/3']);
  assert.deepEqual(find('GET', '/v1/files/a/b/info'), ['end', 'name=files/a/b']);
  assert.deepEqual(find('GET', '/v1/files/info'), ['end', 'name=files']);
  assert.deepEqual(find('POST', '/v1/shelves/3'), ['post', 'id=3']);
  assert.deepEqual(find('GET', '/v1/shelves/3:copy'), ['verb', 'id=3']);
  assert.deepEqual(find('GET', '/v1/shelves/3:other'), ['one', 'id=3:other']);
  assert.deepEqual(find('GET', '/else'), ['root']);
  assert.equal(find('PUT', '/v1/shelves/3'), undefined);
});

test('a place is taken once; a verb that no rule has may end a path', () => {
  const matcher = new PathMatcher<number>(defaults);
  const rule = { template: parsePathTemplate('/a/{b}')!, target: 1, body: '' };
  assert.ok(matcher.add('GET', rule));
  assert.equal(matcher.add('GET', { ...rule, template: parsePathTemplate('/a/{c}')! }), false);
  const find = matcherOf({ plain: 'GET /a/{b}' }, { matchUnregisteredVerb: true });
  assert.equal(find('GET', '/a/x:verb'), undefined);
});

test('variables and queries are unescaped, as the options say', () => {
  const rules = { one: 'GET /a/{x}', deep: 'GET /d/{x=**}' };
  const reserved = matcherOf(rules);
  assert.deepEqual(reserved('GET', '/a/1%2F2%20%C3%A9'), ['one', 'x=1/2 é']);
  assert.deepEqual(reserved('GET', '/d/1%2F2%3F/%20'), ['deep', 'x=1%2F2%3F/ ']);
  assert.deepEqual(matcherOf(rules, { unescape: exceptSlash })('GET', '/d/1%2F2%3F'), ['deep', 'x=1%2F2?']);
  assert.deepEqual(matcherOf(rules, { unescape: everyCharacter })('GET', '/d/1%2F2%3F'), ['deep', 'x=1/2?']);
  const query = '/a/1?y.z=a%20b+c&key=k&novalue&=x&e=&y.z=2%zz';
  assert.deepEqual(reserved('GET', query), ['one', 'x=1', 'y.z=a b+c', 'key=k', 'e=', 'y.z=2%zz']);
  const other = matcherOf(rules, { unescapePlus: true, ignoredParameters: new Set(['key']) });
  assert.deepEqual(other('GET', query), ['one', 'x=1', 'y.z=a b c', 'e=', 'y.z=2%zz']);
});

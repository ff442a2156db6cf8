import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import type { xds } from '../../api/envoy_types.ts';
import { messageType, registry } from '../../api/registry.ts';
import { compileMatcherTree } from './matcher_tree.ts';

type Values = Record<string, string>;

const input = (key: string) => ({ name: key, typedConfig: { '@type': 't/google.protobuf.StringValue', value: key } });
const to = (name: string) => ({ action: input(name) });

function tree(json: JsonValue): (values: Values) => string | undefined {
  const message = fromJson(messageType('xds.type.matcher.v3.Matcher'), json, { registry }) as unknown;
  return compileMatcherTree<Values, string>(message as xds.type.matcher.v3.Matcher, {
    input: (_type, config) => (values) => values[(config as { value: string }).value],
    action: (_type, config) => (config as { value: string }).value,
  });
}

const single = (key: string, match: JsonValue) => ({ singlePredicate: { input: input(key), valueMatch: match } });

test('a list: the first match counts; without an action of its own it is none', () => {
  const find = tree({
    matcherList: {
      matchers: [
        {
          predicate: { andMatcher: { predicate: [single('a', { exact: '1' }), single('b', { prefix: 'x' })] } },
          onMatch: to('both'),
        },
        {
          predicate: { orMatcher: { predicate: [single('a', { exact: '2' }), single('a', { suffix: '3' })] } },
          onMatch: {
            matcher: {
              matcherList: { matchers: [{ predicate: single('b', { contains: 'y' }), onMatch: to('inner') }] },
            },
          },
        },
        { predicate: single('a', { exact: '2' }), onMatch: { ...to('skipped'), keepMatching: true } },
        { predicate: { notMatcher: single('a', { exact: '1', ignoreCase: true }) }, onMatch: to('not 1') },
      ],
    },
    onNoMatch: to('none'),
  });
  assert.equal(find({ a: '1', b: 'xx' }), 'both');
  assert.equal(find({ a: '2', b: 'aya' }), 'inner');
  assert.equal(find({ a: '2', b: 'z' }), 'not 1');
  assert.equal(find({ a: '1' }), 'none');
  assert.equal(find({}), 'not 1');
});

test('maps: exact, and by the longest prefix that has an action', () => {
  const map = (kind: string, entries: Record<string, JsonValue>) =>
    tree({ matcherTree: { input: input('a'), [kind]: { map: entries } } });
  const exact = map('exactMatchMap', { x: to('x'), y: { matcher: { onNoMatch: to('y') } } });
  assert.deepEqual(
    ['x', 'y', 'z'].map((a) => exact({ a })),
    ['x', 'y', undefined],
  );
  assert.equal(exact({}), undefined);
  const prefix = map('prefixMatchMap', { '/': to('root'), '/a': to('a'), '/a/b': { matcher: {} } });
  assert.deepEqual(
    ['/x', '/ab', '/a/b', 'x'].map((a) => prefix({ a })),
    ['root', 'a', 'a', undefined],
  );
});

test('addresses: the most specific range first, wider ones unless it is exclusive', () => {
  const ranges = (...all: [string, number, JsonValue, boolean?][]) =>
    tree({
      matcherTree: {
        input: input('ip'),
        customMatch: {
          name: 'ip',
          typedConfig: {
            '@type': 't/xds.type.matcher.v3.IPMatcher',
            rangeMatchers: all.map(([addressPrefix, prefixLen, onMatch, exclusive = false]) => ({
              ranges: [{ addressPrefix, prefixLen }],
              onMatch,
              exclusive,
            })),
          },
        },
      },
      onNoMatch: to('none'),
    });
  const find = ranges(
    ['0.0.0.0', 0, to('all')],
    ['10.0.0.0', 8, to('ten')],
    ['10.1.0.0', 16, { matcher: {} }],
    ['10.2.0.0', 16, { matcher: {} }, true],
    ['2001:db8::', 32, to('six')],
  );
  const expected = {
    '9.9.9.9': 'all',
    '10.9.9.9': 'ten',
    '10.1.1.1': 'ten',
    '10.2.2.2': 'none',
    '2001:db8::1': 'six',
    '::1': 'none',
    'no address': 'none',
  };
  for (const [ip, chain] of Object.entries(expected)) assert.equal(find({ ip }), chain, ip);
});

test('server names: exact, then wildcards from the longest on', () => {
  const find = tree({
    matcherTree: {
      input: input('name'),
      customMatch: {
        name: 'n',
        typedConfig: {
          '@type': 't/xds.type.matcher.v3.ServerNameMatcher',
          domainMatchers: [
            { domains: ['a.test', '*.a.test'], onMatch: to('a') },
            { domains: ['*.test'], onMatch: to('test') },
            { domains: ['*'], onMatch: to('any') },
          ],
        },
      },
    },
  });
  const expected = { 'a.test': 'a', 'x.a.test': 'a', 'x.y.a.test': 'a', 'b.test': 'test', test: 'any', 'a.org': 'any' };
  for (const [name, chain] of Object.entries(expected)) assert.equal(find({ name }), chain, name);
});

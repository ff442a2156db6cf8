import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ThreadStats } from '../common/stats/store.ts';
import { RuntimeLayers } from './runtime_layers.ts';
import { StatsMerge } from './stats_merge.ts';

function layers(...list: [string, JsonObject | 'admin'][]) {
  const merge = new StatsMerge();
  const source = merge.addSource();
  const store = new ThreadStats((news) => source.announce(news));
  const message = {
    layers: list.map(([name, content]) => ({
      name,
      layerSpecifier: content === 'admin' ? { case: 'adminLayer', value: {} } : { case: 'staticLayer', value: content },
    })),
  };
  const made = new RuntimeLayers(message as never, store);
  const stat = (name: string) => {
    store.announceNow();
    return merge.value(`runtime.${name}`);
  };
  return { made, stat };
}

const read = (struct: JsonObject, key = 'a') => layers(['l', struct]).made.values().get(key);

test('a value in all the readings it allows', () => {
  assert.deepEqual(read({ a: 1.5 }), { text: '1.5', number: 1.5 });
  assert.deepEqual(read({ a: true }), { text: 'true', boolean: true });
  assert.deepEqual(read({ a: '12' }), { text: '12', number: 12 });
  assert.deepEqual(read({ a: 'False' }), { text: 'False', boolean: false });
  assert.equal(read({ a: 'words' })?.text, 'words');
  const tenth = { numerator: 1, denominator: 10_000 };
  assert.deepEqual(read({ a: { numerator: 1, denominator: 'TEN_THOUSAND' } })?.fraction, tenth);
  assert.deepEqual(read({ a: 'numerator: 1\ndenominator: TEN_THOUSAND' })?.fraction, tenth);
  assert.deepEqual(read({ a: '{"numerator": 1, "denominator": "HUNDRED"}' })?.fraction, {
    numerator: 1,
    denominator: 100,
  });
  assert.equal(read({ a: '{numerator: 1, other: 2}' })?.fraction, undefined);
});

test('nested structs are keys with dots', () => {
  assert.equal(read({ a: { b: { c: 3 } } }, 'a.b.c')?.number, 3);
  assert.equal(read({ 'a.b': 4 }, 'a.b')?.number, 4);
  assert.equal(read({ a: {} })?.text, '{}');
});

test('a later layer goes over an earlier one, the admin layer may be changed', () => {
  const { made, stat } = layers(['base', { a: 1, b: 2 }], ['admin', 'admin'], ['top', { b: 3 }]);
  assert.equal(
    made.modify([
      ['a', '9'],
      ['b', '9'],
      ['c', 'on'],
    ]),
    true,
  );
  assert.deepEqual(made.entries(), [
    { key: 'a', layerValues: ['1', '9', ''], finalValue: '9' },
    { key: 'b', layerValues: ['2', '9', '3'], finalValue: '3' },
    { key: 'c', layerValues: ['', 'on', ''], finalValue: 'on' },
  ]);
  assert.deepEqual([stat('num_keys'), stat('num_layers'), stat('admin_overrides_active')], [3, 3, 1]);
  made.modify([
    ['a', ''],
    ['b', ''],
    ['c', ''],
  ]);
  assert.equal(made.values().get('a')?.text, '1');
  assert.equal(stat('admin_overrides_active'), 0);
});

test('without an admin layer nothing can be changed', () => {
  assert.equal(layers(['base', { a: 1 }]).made.modify([['a', '2']]), false);
  assert.deepEqual(layers().made.layerNames, ['']);
  assert.equal(layers().made.modify([['a', '2']]), true);
});

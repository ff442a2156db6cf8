import assert from 'node:assert/strict';
import test from 'node:test';
import { Runtime, RuntimeFraction, type RuntimeValue } from './runtime.ts';

function runtime(values: Record<string, RuntimeValue>): Runtime {
  const made = new Runtime();
  made.load(new Map(Object.entries(values)));
  return made;
}

const fraction = (made: Runtime, runtimeKey: string, numerator: number, denominator = 0): RuntimeFraction =>
  new RuntimeFraction({ runtimeKey, defaultValue: { numerator, denominator } } as never, made);

test('values by key, each with the default where it does not fit', () => {
  const made = runtime({
    whole: { text: '7', number: 7 },
    half: { text: '0.5', number: 0.5 },
    less: { text: '-1', number: -1 },
    flag: { text: 'false', boolean: false },
    words: { text: 'words' },
  });
  assert.deepEqual(
    ['whole', 'half', 'less', 'words', 'none'].map((key) => made.integer(key, 3)),
    [7, 3, 3, 3, 3],
  );
  assert.deepEqual([made.boolean('flag', true), made.boolean('words', true)], [false, true]);
  assert.equal(made.size, 5);
});

test('a feature is on for its percentage', () => {
  const made = runtime({ some: { text: '30', number: 30 }, all: { text: '200', number: 200 } });
  assert.deepEqual(
    [29, 30, 129, 130].map((random) => made.featureEnabled('some', 0, random)),
    [true, false, true, false],
  );
  assert.equal(made.featureEnabled('all', 0, 99), true);
  assert.equal(made.featureEnabled('none', 0, 0), false);
});

test('a fraction: the default, a whole number as percent, or a fraction of its own', () => {
  const made = runtime({
    percent: { text: '50', number: 50 },
    over: { text: '101', number: 101 },
    own: { text: '{}', fraction: { numerator: 1, denominator: 10_000 } },
    words: { text: 'words' },
  });
  assert.deepEqual([fraction(made, '', 1).includes(0), fraction(made, '', 1).includes(1)], [true, false]);
  assert.deepEqual(
    [fraction(made, 'percent', 0).includes(49), fraction(made, 'percent', 0).includes(150)],
    [true, false],
  );
  assert.equal(fraction(made, 'over', 0).includes(99), true);
  assert.deepEqual([fraction(made, 'own', 100).includes(0), fraction(made, 'own', 100).includes(100)], [true, false]);
  assert.equal(fraction(made, 'words', 100).includes(99), true);
  assert.equal(fraction(made, 'none', 1, 2).includes(1), false);
});

test('a change is seen by what was compiled before', () => {
  const made = runtime({});
  const compiled = fraction(made, 'key', 0);
  assert.equal(compiled.includes(0), false);
  made.load(new Map([['key', { text: '100', number: 100 }]]));
  assert.equal(compiled.includes(99), true);
});

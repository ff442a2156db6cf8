/** A JSON list cut into its elements, in whatever pieces it comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonElements } from './json_elements.ts';

const seed = Date.now() % 1_000_000;

function elementsOf(text: string, cuts: number[]): { found: string[]; fault: string | undefined } {
  const bytes = Buffer.from(text);
  const at = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
  const elements = new JsonElements();
  const found: string[] = [];
  for (let i = 1; i < at.length; i++) {
    const fault = elements.push(bytes, at[i - 1], at[i], (element) => found.push(element) > 0);
    if (fault !== undefined) return { found, fault };
  }
  return { found, fault: elements.finish() };
}

test('every list of JSON values is cut into just its elements', () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 10 });
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 6 }), cuts, fc.constantFrom(0, 1), (values, at, indent) => {
      const { found, fault } = elementsOf(JSON.stringify(values, null, indent), at);
      assert.equal(fault, undefined);
      assert.deepEqual(
        found.map((element) => JSON.parse(element)),
        JSON.parse(JSON.stringify(values)),
      );
    }),
    { seed, numRuns: 500 },
  );
});

test('what is no list is told', () => {
  const faults: Record<string, RegExp> = {
    '{}': /^Expected an array/,
    '': /^Expected an array/,
    '[1': /Expected , or \]|Expected a value/,
    '[1,': /Expected a value or ]/,
    '[1 2]': /Expected , or ]/,
    '[] x': /Parsing terminated/,
  };
  for (const [text, fault] of Object.entries(faults)) assert.match(elementsOf(text, [0.5]).fault ?? '', fault, text);
  assert.deepEqual(elementsOf('[]', []), { found: [], fault: undefined });
  assert.deepEqual(elementsOf(' [ "]" , {"a":"}"} ] ', [0.4]), { found: ['"]"', '{"a":"}"}'], fault: undefined });
});

test('an element that does not end is held, and no more than it', () => {
  const elements = new JsonElements();
  const bytes = Buffer.from('[{"a":1},{"b":');
  elements.push(bytes, 0, bytes.length, () => true);
  assert.equal(elements.held, 5);
});

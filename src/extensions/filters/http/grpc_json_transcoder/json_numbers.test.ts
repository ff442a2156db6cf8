import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubleText, floatAsDouble, jsonText } from './json_numbers.ts';

test('doubles as protobuf spells them', () => {
  const texts: readonly (readonly [number, string])[] = [
    [0, '0'],
    [-0, '-0'],
    [1.5, '1.5'],
    [0.1, '0.1'],
    [0.1 + 0.2, '0.30000000000000004'],
    [100, '100'],
    [123456789012345, '123456789012345'],
    [123456789012345680000, '1.2345678901234568e+20'],
    [1e21, '1e+21'],
    [1e-4, '0.0001'],
    [1e-5, '1e-05'],
    [1e-7, '1e-07'],
    [5e-324, '4.94065645841247e-324'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
  ];
  for (const [value, text] of texts) {
    assert.equal(doubleText(value), text);
    assert.equal(Number(text), value);
  }
});

test('floats by the fewest digits of C that bring them back', () => {
  const float = (value: number) => doubleText(floatAsDouble(Math.fround(value)));
  assert.equal(float(0.1), '0.1');
  assert.equal(float(3.4028235e38), '3.40282347e+38');
  assert.equal(float(1.17549435e-38), '1.17549435e-38');
  assert.equal(float(16777217), '16777216');
  assert.equal(float(-2.5), '-2.5');
  assert.equal(floatAsDouble(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});

test('text as that of JSON.stringify where there is no fraction', () => {
  const value = { a: [1, 'x"', null, true, {}], b: { c: [] }, d: [{ e: -5 }] };
  assert.equal(jsonText(value, false), JSON.stringify(value));
  assert.equal(jsonText(value, true), JSON.stringify(value, null, 1));
});

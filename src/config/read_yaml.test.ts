import assert from 'node:assert/strict';
import test from 'node:test';
import { toJson } from './convert_well_known.ts';
import { Origins } from './origins.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';

function read(text: string): { value: unknown; report: Report } {
  const report = new Report(new Origins());
  const tree = readYaml(new SourceText('t', text), report);
  return { value: tree && toJson(tree), report };
}

test("plain scalars are typed as Envoy's YAML reader does", () => {
  const cases: [string, unknown][] = [
    ['yes', true],
    ['Y', true],
    ['ON', true],
    ['oN', 'oN'],
    ['off', false],
    ['n', false],
    ['~', null],
    ['NULL', null],
    ['', null],
    ['12', 12],
    ['+5', 5],
    ['-7', -7],
    ['0x8000', 32768],
    ['010', 8],
    ['08', '08'],
    ['0o7', '0o7'],
    ['1_000', '1_000'],
    ['1.5', '1.5'],
    ['1e3', '1e3'],
    ['.inf', '.inf'],
    ['2020-01-01', '2020-01-01'],
    ['99999999999', '99999999999'],
    ['0xFFFFFFFFFF', '1099511627775'],
    ['2147483647', 2147483647],
    ['2147483648', '2147483648'],
    ['"12"', '12'],
    ["'yes'", 'yes'],
    ['"\\n\\u00e9"', '\n\u00e9'],
    ['|\n  12\n', '12\n'],
    ['>-\n  yes\n', 'yes'],
    ['!!str 5', 5],
  ];
  for (const [text, value] of cases) assert.deepEqual(read(`a: ${text}`).value, { a: value }, text);
});

test('anchors are followed, merge keys are plain keys, !ignore keys are dropped', () => {
  const { value } = read('!ignore base: &b { x: 1 }\na: *b\nc: { <<: *b, y: 2 }\nd: !ignore 3\n');
  assert.deepEqual(value, { a: { x: 1 }, c: { '<<': { x: 1 }, y: 2 }, d: 3 });
});

test('the last of equal keys wins with a warning, the second document is ignored with a warning', () => {
  const { value, report } = read('a: 1\na: 2\n---\nb: 3\n');
  assert.deepEqual(value, { a: 2 });
  assert.deepEqual(
    report.warnings.map((warning) => [warning.line, warning.reason]),
    [
      [3, 'only the first YAML document is read, the rest is ignored, as Envoy does'],
      [2, "'a' is given twice in this map: this one wins over line 1, as in Envoy"],
    ],
  );
});

test('nesting beyond 100 levels is refused once', () => {
  const { report } = read(`${'{a: '.repeat(150)}1${'}'.repeat(150)}`);
  assert.deepEqual(
    report.errors.map((error) => error.reason),
    ['nested deeper than 100 levels'],
  );
  assert.equal(read(`${'{a: '.repeat(99)}1${'}'.repeat(99)}`).report.errors.length, 0);
});

test('aliases of aliases cannot make a tree that outgrows memory', () => {
  let text = 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n';
  for (let i = 1; i < 12; i++)
    text += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(',')}]\n`;
  assert.deepEqual(
    read(text).report.errors.map((error) => error.reason),
    ['too many values by aliases of aliases'],
  );
});

test('odd keys do not break the reader', () => {
  assert.deepEqual(read('? [a]\n: 1\n').value, { '': 1 });
  assert.deepEqual(read(': 1\n').value, { '': 1 });
  assert.deepEqual(read('5: x\ntrue: z\n').value, { 5: 'x', true: 'z' });
});

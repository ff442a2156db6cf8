import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { toJson } from './convert_well_known.ts';
import { Origins } from './origins.ts';
import { printYaml } from './print_yaml.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';
import type { SourceNode } from './source_tree.ts';

function read(text: string, json: boolean): SourceNode {
  const report = new Report(new Origins());
  const tree = readYaml(new SourceText('t', text), report, json);
  assert.deepEqual(report.errors, [], text);
  return tree!;
}

test('what is printed reads back as what it was', () => {
  const words = fc.constantFrom(
    'yes',
    'no',
    '010',
    '1e3',
    '~',
    '',
    ' a',
    'a ',
    'a: b',
    'a #b',
    '- a',
    '*',
    '&a',
    '!t',
    '"',
    "'",
    'a\nb',
    '[',
    '{}',
    '0x10',
    '1.5',
    '-',
    '?',
    ':',
    'a:',
    '%a',
    '@a',
    '`',
    '<<',
    'é',
    '\u2028',
    '---',
    '...',
    '*.a.com',
  );
  const scalars = fc.oneof(
    words,
    fc.string({ unit: 'binary' }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      scalars,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(
        fc.oneof(words, fc.string()).filter((key) => key !== '__proto__'),
        tie('tree'),
        { maxKeys: 4 },
      ),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const first = read(JSON.stringify({ value }), true);
      const again = read(
        printYaml(first, () => undefined),
        false,
      );
      assert.deepEqual(toJson(again), toJson(first));
    }),
    { numRuns: 500 },
  );
});

test('comments stand before their field, behind it when a dash comes first', () => {
  const tree = read('{"list": [{"a": 1, "b": {"c": []}}]}', true);
  assert.equal(
    printYaml(tree, ({ key }) => `about ${key}`),
    '# about list\nlist:\n  - a: 1 # about a\n    # about b\n    b:\n      # about c\n      c: []\n',
  );
});

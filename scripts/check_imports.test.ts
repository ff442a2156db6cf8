/** The import checker finds each kind of wrong import, names the reason, and passes what is allowed. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { checkImports, readImports } from './check_imports.ts';

/** Runs the checker on a tree of these files. */
function check(files: Record<string, string>): string[] {
  const root = mkdtempSync(path.join(tmpdir(), 'imports-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
    return checkImports(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const refused: [name: string, file: string, text: string, expected: RegExp][] = [
  ['Node in the leaf', 'native-free/a.ts', "import fs from 'node:fs';\n", /native-free\/a\.ts:1: imports node:fs .*leaf/],
  ['a package in the leaf', 'native-free/a.ts', "import 'yaml';\n", /leaf/],
  ['src in the leaf', 'native-free/x/a.ts', "import { a } from '../../src/common/log.ts';\n", /imports src\/common\/log\.ts .*leaf/],
  ['a socket outside net', 'src/http/a.ts', "\nimport net from 'node:net';\n", /src\/http\/a\.ts:2: .*src\/net alone/],
  ['node:http on the data path', 'src/upstream/a.ts', "import http from 'node:http';\n", /own codecs/],
  ['control into data', 'src/config/a.ts', "import { a } from '../http/a.ts';\n", /control side never imports the data side/],
  ['data into control', 'src/router/a.ts', "import type { a } from '../config/a.ts';\n", /data side never imports the control side/],
  ['http into upstream', 'src/http/a.ts', "export { a } from '../upstream/a.ts';\n", /http may import only/],
  ['code into spi', 'src/spi/a.ts', "import { a } from '../common/a.ts';\n", /takes only types from common/],
  ['an extension into another', 'src/extensions/filters/http/x/filter.ts', "import { a } from '../y/a.ts';\n", /lean on another/],
  ['an extension into a foreign engine', 'src/extensions/filters/http/x/filter.ts', "import { a } from '../../../../router/a.ts';\n", /its one engine/],
  ['a lazy import', 'src/health/a.ts', "const a = () => import('../worker/entry.ts');\n", /src\/health\/a\.ts:1/],
  ['a test', 'src/http/a.ts', "import { a } from './b.test.ts';\n", /a test is imported by nothing/],
  ['a test helper', 'src/http/a.ts', "import { a } from '../../test/support/proxy.ts';\n", /only native-free\/ and src\//],
  ['a folder without a rule', 'src/misc/a.ts', "import 'yaml';\n", /no rule for this folder/],
  ['a long file', 'src/http/a.ts', '\n'.repeat(801), /801 lines/],
]; // biome-ignore format: a table

for (const [name, file, text, expected] of refused) {
  test(`refuses ${name}`, () => {
    const problems = check({ [file]: text });
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0], expected);
  });
}

test('refuses a chain from the control side into the data side', () => {
  const problems = check({
    'src/config/a.ts': "import { r } from '../extensions/registry.ts';\n",
    'src/extensions/registry.ts': "export { f } from './filters/http/router/config.ts';\n",
    'src/extensions/filters/http/router/config.ts': "import { x } from './filter.ts';\n",
    'src/extensions/filters/http/router/filter.ts': "import { x } from '../../../../router/a.ts';\n",
    'src/router/a.ts': '',
  });
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(
    problems[0],
    /^src\/config\/a\.ts:1: brings in the data side by .*registry\.ts → .*filter\.ts → src\/router\/a\.ts/,
  );
});

test('passes what is allowed', () => {
  const problems = check({
    'src/config/a.ts': "import { r } from '../extensions/registry.ts';\n",
    'src/extensions/registry.ts': "export { f } from './filters/http/router/config.ts';\n",
    'src/extensions/filters/http/router/config.ts': "export const load = () => import('./filter.ts');\n",
    'src/extensions/filters/http/router/filter.ts': "import { x } from '../../../../router/a.ts';\n",
    'src/router/a.ts': "import { c } from '../upstream/c.ts';\nimport { l } from '../snapshot/layout.ts';\n",
    'src/net/a.ts': "import net from 'node:net';\nimport fs from 'node:fs';\n",
    'src/net/a.test.ts': "import http from 'node:http';\nimport { startProxy } from '../../test/support/proxy.ts';\n",
    'src/control/admin/a.ts': "import http from 'node:http';\n",
    'src/spi/a.ts': "import type { c } from '../common/c.ts';\n",
  });
  assert.deepEqual(problems, []);
});

test('reads imports of every form, and none from comments', () => {
  const text = [
    "// import a from 'comment';",
    "/* import a from 'block'; */ import type { A } from './a.ts';",
    'import {',
    '  b,',
    "} from './b.ts';",
    "export * from './c.ts';",
    "import './d.ts';",
    "const e = await import('./e.ts');",
    "export const url = 'http://x'; // from './f.ts'",
  ].join('\n');
  const found = readImports(text).map((i) => [i.specifier, i.line, i.typeOnly, i.dynamic]);
  assert.deepEqual(found, [
    ['./a.ts', 2, true, false],
    ['./b.ts', 3, false, false],
    ['./c.ts', 6, false, false],
    ['./d.ts', 7, false, false],
    ['./e.ts', 8, false, true],
  ]);
});

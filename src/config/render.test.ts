import assert from 'node:assert/strict';
import test from 'node:test';
import type { Diagnostic } from './diagnostic.ts';
import { renderDiagnostic, renderDiagnostics } from './render.ts';
import { nearest } from './suggest.ts';

const base: Diagnostic = {
  severity: 'error',
  file: 'a.yaml',
  line: 12,
  column: 3,
  length: 4,
  sourceLine: '\tx: abcd',
  path: 'a.b',
  reason: 'is wrong',
  hint: "did you mean 'c'?",
};

test('tabs before the caret stay tabs', () => {
  assert.equal(
    renderDiagnostic(base),
    "a.yaml:12:3: error: is wrong\n  12 | \tx: abcd\n     | \t ^^^^\n  at a.b\n  did you mean 'c'?",
  );
});

test('without a text behind it there is neither place nor excerpt', () => {
  assert.equal(renderDiagnostic({ ...base, file: '', line: 0, path: '', hint: undefined }), 'error: is wrong');
});

test('a long line is cut around the place', () => {
  const sourceLine = `${'a'.repeat(1000)}here${'b'.repeat(1000)}`;
  const [, shown, carets] = renderDiagnostic({ ...base, sourceLine, column: 1001 }).split('\n');
  assert.ok(shown.length < 180);
  assert.equal(shown.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1), 'here');
});

test('colors only when asked for; errors after warnings', () => {
  assert.match(renderDiagnostic(base, true), /\x1b\[1;31merror\x1b\[0m/);
  assert.match(renderDiagnostics([base, { ...base, severity: 'warning' }]), /warning: .*error: /s);
});

test('suggestions are near or none', () => {
  assert.deepEqual(nearest('conect_timeout', ['connect_timeout', 'idle_timeout']), ['connect_timeout']);
  assert.deepEqual(nearest('connectTimeout', ['connect_timeout']), ['connect_timeout']);
  assert.deepEqual(nearest('rotue', ['route', 'router']), ['route']);
  assert.deepEqual(nearest('ab', ['ac']), []);
  assert.deepEqual(nearest('entirely_different', ['connect_timeout']), []);
});

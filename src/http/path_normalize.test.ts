import assert from 'node:assert/strict';
import test from 'node:test';
import { normalizeRequestPath } from './path_normalize.ts';

const keep = 1;
const reject = 2;
const redirect = 3;
const forward = 4;

function run(path: string, normalizePath: boolean, mergeSlashes: boolean, escapedSlashes = 0): string {
  const result = normalizeRequestPath(path, { normalizePath, mergeSlashes, escapedSlashes });
  return typeof result === 'string' ? result : `307 ${result.redirect}`;
}

test('normalize_path', () => {
  const cases: Record<string, string> = {
    '/a/../b': '/b',
    '/a/./b': '/a/b',
    '/a//b': '/a//b',
    '/a/b/..': '/a/',
    '/a/b/.': '/a/b/',
    '/..': '/',
    '/../x': '/x',
    '/%2e%2E/x': '/x',
    '/a/.%2e/b': '/b',
    '/a\\..\\b': '/b',
    '/%41%7e%2d%5f%20%zz%': '/A~-_%20%zz%',
    '/a%00b': 'reject',
    '/a;p/../b': '/b',
    '/a/..;x=1/b': '/b',
    '/a/.;': '/a/',
    '/a/%2e;/b': '/a/.;/b',
    '/a/...': '/a/...',
    '/a{b}|"<>^`': '/a%7Bb%7D%7C%22%3C%3E%5E%60',
    '/%7B%252f': '/%7B%252f',
    '/x//..//admin': '/x//admin',
    '/a/%2e%2e%2fb': '/a/..%2fb',
    '/a%2e?b/../c%2e': '/a.?b/../c%2e',
    '/': '/',
    '/plain?q=/../': '/plain?q=/../',
  };
  for (const [path, expected] of Object.entries(cases)) assert.equal(run(path, true, false), expected, path);
});

test('merge_slashes', () => {
  assert.equal(run('/a///b//', false, true), '/a/b/');
  assert.equal(run('///a?x//y', false, true), '/a?x//y');
  assert.equal(run('//', false, true), '//');
  assert.equal(run('/x//..//admin', true, true), '/x/admin');
  assert.equal(run('/x//..//admin', false, true), '/x/../admin');
});

test('path_with_escaped_slashes_action', () => {
  assert.equal(run('/a%2fb', true, true, keep), '/a%2fb');
  assert.equal(run('/a%5Cb', false, false, reject), 'reject');
  assert.equal(run('/ab?%2f', false, false, reject), '/ab?%2f');
  assert.equal(run('/a%2Fb%5c', false, false, forward), '/a/b\\');
  assert.equal(run('/a%2f..%2fb', true, true, forward), '/b');
  assert.equal(run('/a%2fb', false, false, redirect), '307 /a/b');
  assert.equal(run('/a%2f..%5cb?q', true, true, redirect), '307 /b?q');
  assert.equal(run('/a/../b', true, true, redirect), '/b', 'no redirect without an escaped slash');
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { isValidReferer } from './referer.ts';

test('a URL or a relative reference may go on, as Envoy 1.40 lets it', () => {
  for (const value of [
    'http://a.test/x?y=1',
    'https://a.test',
    'HTTP://A.b:80?x',
    'http://[::1]/',
    'http://a/{',
    '/relative',
    'x/y:z',
    '%41',
    '?q',
    '',
    'http://a.test/,http://b.test/',
  ]) {
    assert.equal(isValidReferer(value), true, value);
  }
});

test('fragments, user information and what is no reference may not', () => {
  for (const value of [
    'http://u:p@a/',
    'http://a/#x',
    'about:blank',
    'x:y',
    'a b',
    'not a url',
    'http://',
    'http://a:b/',
    'http://a:99999/',
    'http://a/\xc3\xbc',
    '#f',
    'a{',
  ]) {
    assert.equal(isValidReferer(value), false, value);
  }
});

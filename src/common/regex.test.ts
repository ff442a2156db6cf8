import assert from 'node:assert/strict';
import test from 'node:test';
import { RE2JS } from 're2js';
import { checkRegex, compileRegex, RegexRewrite } from './regex.ts';

const replaceAll = (text: string, pattern: string, substitution: string) =>
  new RegexRewrite(pattern, substitution).replaceAll(text);

test('errors are told in the words of RE2', () => {
  const cases: [string, string | undefined][] = [
    ['a(b', 'missing ): a(b'],
    ['(?P<x>a(b', 'missing ): (?P<x>a(b'],
    ['[z-a]', 'invalid character class range: z-a'],
    ['a**', 'bad repetition operator: **'],
    ['(?=x)', 'invalid perl operator: (?='],
    ['\\1', 'invalid escape sequence: \\1'],
    ['x{2000}', 'invalid repetition size: {2000}'],
    ['[[:foo:]]', 'invalid character class range: [:foo:]'],
    ['(?P<n', 'invalid named capture group: (?P<n'],
    ['*a', 'no argument for repetition operator: *'],
    ['a\\', 'trailing \\'],
    ['a)', 'unexpected ): a)'],
    ['[a', 'missing ]: [a'],
    ['(?z)', 'invalid perl operator: (?z'],
    ['(?P<>a)', 'invalid named capture group: (?P<>'],
    ['\\pX', 'invalid character class range: \\pX'],
    ['x{2,1}', 'invalid repetition size: {2,1}'],
    ['a++', 'bad repetition operator: ++'],
    ['\\x{100}', 'invalid escape sequence: \\x{100'],
    ['\\Z', 'invalid escape sequence: \\Z'],
    ['(?<n>a)', undefined],
    ['(?P<x>a)(?P<x>b)', undefined],
    ['\\C', undefined],
    ['é', undefined],
  ];
  for (const [pattern, error] of cases) assert.equal(checkRegex(pattern), error, pattern);
  assert.throws(() => compileRegex('a('), /^Error: missing \): a\($/);
});

test('matches as RE2 does', () => {
  const patterns = [
    '/item/[0-9]+',
    '(?i)heLLo[a-c]',
    'a(?i)b|c(?-i:D)e',
    '(?i:a)b',
    '\\Qa.b\\E+',
    '[[:alpha:]]+[[:digit:]]*',
    '[^/]+',
    '[]a]+',
    '[^]a]+',
    '[a\\]b]+',
    '\\d+\\s\\w\\W?',
    '(?s).*x.*',
    'a{2,3}?b',
    '(?U)a+b',
    'x{,5}',
    'a{b}',
    '^*a',
    '(?:^|/)foo\\b',
    '\\bfoo\\B.',
    '(|a)(b|)c',
    '\\pL+',
    '\\p{Lu}\\PN',
    '\\x41\\x{42}\\103\\a\\t',
    'a\\/b\\-c',
    'é+',
    '[é]',
    '\\Aabc\\z',
    'a/b#"<>`~{}',
    '((a|b)*c)?d',
  ];
  const subjects = [
    '/item/42', '/item/x', 'HEllOB', 'hellod', 'ab', 'aB', 'Ab', 'cDe', 'cDE', 'cdE', 'a.b', 'a.bbb', 'axb', 'abc123', ']a]',
    'a]b', '', 'a', '5 a', '5 a!', '12 z', 'x', 'aab', 'aaab', 'aaaab', 'x{,5}', 'a{b}', 'foo', '/foo', '/foo/', 'food', 'bc', 'ac',
    'c', 'abc', '\xe9', '\xc3\xa9', '\xc3\xa9\xa9', 'Az', 'A1', 'ABC\x07\t', 'a/b-c', 'a/b#"<>`~{}', 'abacd', 'd', 'xx/yy',
  ]; // biome-ignore format: one screen
  for (const pattern of patterns) {
    const regex = compileRegex(pattern);
    const re2 = RE2JS.compile(Buffer.from(pattern, 'utf8').toString('latin1'));
    for (const subject of subjects) {
      assert.equal(regex.fullMatch(subject), re2.testExact(subject), `${pattern} on ${subject}`);
      assert.equal(regex.search(subject), re2.test(subject), `${pattern} in ${subject}`);
    }
  }
});

test('a byte is a char, so bytes that are no UTF-8 match too', () => {
  assert.equal(compileRegex('a.c').fullMatch('a\xffc'), true);
  assert.equal(compileRegex('a.c').fullMatch('a\xc3\xa9c'), false);
  assert.equal(compileRegex('a\\Cc').fullMatch('a\xffc'), true);
});

test('stays linear on patterns that backtrack', () => {
  const long = `${'a'.repeat(20_000)}!`;
  for (const pattern of [
    '^(a+)+$',
    '(a|a)*',
    '(a*)*b',
    '(.*)(.*)(.*)(.*)(.*)x',
    '(\\w+\\s?)*',
    '(a?){30}a{30}',
    '(a{0,30}){0,30}',
  ]) {
    const regex = compileRegex(pattern);
    const subject = pattern.includes('{') ? `${'a'.repeat(40)}!` : long;
    const start = performance.now();
    assert.equal(regex.fullMatch(subject), false);
    assert.ok(performance.now() - start < 250, pattern);
  }
});

test('replaces as RE2::GlobalReplace does', () => {
  assert.equal(replaceAll('/users/7/profile', '^/users/([0-9]+)/(.*)$', '/\\2/of/\\1'), '/profile/of/7');
  assert.equal(replaceAll('/graaab', 'a*', '-'), '-/-g-r-b-');
  assert.equal(replaceAll('/g2/abc', '.*', '/X'), '/X');
  assert.equal(replaceAll('/g3', 'g', '\\3'), '/g3', 'no such group');
  assert.equal(replaceAll('/g5', 'g5', 'x\\ay'), '/x', 'the replacement ends at a wrong escape');
  assert.equal(replaceAll('a.b', '\\.', '\\\\\\0$&'), 'a\\.$&b');
  assert.equal(replaceAll('ab', '(?:(a)|b)*', '[\\1]'), '[a]', 'a group keeps its last part in the repetition');
  assert.equal(replaceAll('aaaa', '(a{0,500}){0,2}', 'x'), 'x', 'without V8');
});

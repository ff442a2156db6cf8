import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTimeFormat } from './strftime.ts';

// As Envoy 1.40 printed them for this moment.
const at = 1795248389345.401;
const texts: Record<string, string> = {
  '%s': '1795248389',
  '%3f': '345',
  '%6f': '345401',
  '%9f': '345401000',
  '%f': '345401000',
  '%1f': '3',
  '%5f': '34540',
  '%6f%3f%f %s': '345401345345401000 1795248389',
  '%Y/%m/%dT%H:%M:%S%z %s': '2026/11/21T08:06:29+0000 1795248389',
  '%a %A %b %B %d %D %e %F %g %G %h %H %I %j %k %l':
    'Sat Saturday Nov November 21 11/21/26 21 2026-11-21 26 2026 Nov 08 08 325  8  8',
  '%m %M %p %P %r %R %S %t| %T %u %U %V %w %W %x %X %y %Y %Z %z %%':
    '11 06 AM am 08:06:29 AM 08:06 29 \t| 08:06:29 6 46 47 6 46 11/21/26 08:06:29 26 2026 UTC +0000 %',
  '%E3S %E*S %E0S %Ey %Od %Ez %E*z %:z %::z %q %i %C %E4Y %E3f %E*f %E0f %ET':
    '29.345 29.345401 29 26 21 +00:00 +00:00:00 +00:00 +00:00:00 %q %i 20 2026 345 345401  T',
  '%-d %_d %05d %^a %4Y': '21 21 00021 SAT 2026',
  '%Y%': '2026%',
  x: 'x',
  '': '',
};
for (const [format, expected] of Object.entries(texts)) {
  test(`${format} prints ${expected}`, () => assert.equal(compileTimeFormat(format)(at), expected));
}

test('the cached second gives way to the next and the fraction is always new', () => {
  const format = compileTimeFormat('%S.%3f');
  assert.deepEqual([1000.5, 1999.9, 2000, 61_000.001].map(format), ['01.000', '01.999', '02.000', '01.000']);
});

test('local time follows the zone of the process', () => {
  const local = new Date(at);
  assert.equal(compileTimeFormat('%H', true)(at), String(local.getHours()).padStart(2, '0'));
});

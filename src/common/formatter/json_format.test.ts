import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJsonFormat } from './json_format.ts';
import { headerMap, testContext } from './test_context.ts';

function format(struct: Record<string, unknown>, omit = false, headers: [string, string][] = []): string {
  const parsed = parseJsonFormat(struct, omit);
  if ('error' in parsed) throw new Error(parsed.error);
  const context = testContext();
  context.request.headers = headerMap(headers);
  return parsed.formatter.format(context);
}

const struct = {
  z: '%REQ(x-a)%',
  a: {
    n: 1,
    b: true,
    nul: null,
    l: ['%PROTOCOL%', 2, '%REQ(nope)%', ['%RESPONSE_CODE%'], { q: '%REQ(nope)%' }],
    e: {},
    el: [],
  },
  B: 'lit %% "q" é\n\t/<>&\u0001\u007f',
  em: '',
  Z: '%REQ(nope)%%REQ(nope)%',
  m: '%REQ(x-a)%|%RESPONSE_CODE%|%REQ(nope)%',
  two: '%RESPONSE_CODE%%RESPONSE_CODE%',
  é: 'k',
};
const xa: [string, string][] = [['x-a', 'v"\\x/']];
const wire = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

test('keys are sorted, single operators keep their type, missing values are null', () => {
  assert.equal(
    format(struct, false, xa),
    wire(
      '{"B":"lit % \\"q\\" é\\n\\t/<>&\\u0001\u007f","Z":"--","a":{"b":true,"e":{},"el":[],' +
        '"l":["HTTP/1.1",2,null,[200],{"q":null}],"n":1,"nul":null},"em":"","m":"v\\"\\\\x/|200|-","two":"200200",' +
        '"z":"v\\"\\\\x/","é":"k"}\n',
    ),
  );
});

test('empty values are omitted, with the objects they leave empty', () => {
  assert.equal(
    format(struct, true, xa),
    wire(
      '{"B":"lit % \\"q\\" é\\n\\t/<>&\\u0001\u007f","Z":"","a":{"b":true,"el":[],"l":["HTTP/1.1",2,[200]],"n":1},' +
        '"em":"","m":"v\\"\\\\x/|200|","two":"200200","z":"v\\"\\\\x/","é":"k"}\n',
    ),
  );
  assert.equal(format({ a: '%REQ(nope)%' }, true), '{}\n');
});

test('bytes that are not UTF-8 are escaped one by one, piece by piece', () => {
  assert.equal(
    format({ bad: '%REQ(x-bad)%|é', utf: '%REQ(x-u)%' }, false, [
      ['x-bad', '<>&\'"\\/\t\xe9a'],
      ['x-u', wire('hé €')],
    ]),
    wire('{"bad":"<>&\'\\u0022\\u005c/\\u0009\\u00e9a|é","utf":"hé €"}\n'),
  );
});

test('an error names the string it is in', () => {
  const parsed = parseJsonFormat({ a: { b: ['x', '%X%'] } });
  assert.deepEqual(parsed, { error: 'Not supported field in StreamInfo: X', position: 0, path: '.a.b[1]' });
});

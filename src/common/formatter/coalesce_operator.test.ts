import assert from 'node:assert/strict';
import test from 'node:test';
import { parseJsonFormat } from './json_format.ts';
import { parseFormat } from './parse_format.ts';
import { testContext } from './test_context.ts';

function text(format: string): string {
  const parsed = parseFormat(format);
  return 'error' in parsed ? parsed.error : parsed.formatter.format(testContext());
}

test('the first operator that knows something is printed', () => {
  const some = '{"command":"REQ","param":"x-none"},{"command":"REQ","param":"user-agent","max_length":2},"PROTOCOL"';
  assert.equal(text(`%COALESCE({"operators":[${some}]})%`), 'u1');
  assert.equal(text('%COALESCE({"operators":["UPSTREAM_TRANSPORT_FAILURE_REASON","PROTOCOL"]}):4%'), 'HTTP');
  assert.equal(text('%COALESCE({"operators":[{"command":"REQ","param":"x-none"}]})%'), '-');
});

test('its type is kept in JSON', () => {
  const format = parseJsonFormat({ a: '%COALESCE({"operators":["ROUTE_NAME","RESPONSE_CODE"]})%' });
  assert.ok(!('error' in format));
  const context = testContext();
  context.info.routeName = '';
  assert.equal(format.formatter.format(context), '{"a":200}\n');
});

test('what is wrong with its configuration is said as Envoy says it', () => {
  for (const [params, error] of [
    ['{}', "JSON configuration must contain 'operators' array"],
    ['{"operators":1}', "'operators' must be an array"],
    ['{"operators":[]}', "'operators' array must not be empty"],
    ['{"operators":["REQ"]}', 'failed to parse operator at index 0: REQ requires parameters'],
    [
      '{"operators":["PROTOCOL",1]}',
      "failed to parse operator at index 1: operator entry must be either a string (command name) or an object with 'command' field",
    ],
    [
      '{"operators":[{"command":"REQ","param":"a","max_length":-1}]}',
      "failed to parse operator at index 0: 'max_length' must be a positive integer",
    ],
  ]) {
    assert.equal(text(`%COALESCE(${params})%`), `COALESCE: ${error}`);
  }
  assert.match(text('%COALESCE(a)%'), /^COALESCE: failed to parse JSON configuration: /);
});

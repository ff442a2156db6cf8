import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { checkHeaderToAdd } from './formatter/header_value.ts';
import { headerMap, testContext } from './formatter/test_context.ts';
import { compileHeaderMutations } from './header_mutation.ts';

const [APPEND, IF_ABSENT, OVERWRITE, IF_EXISTS] = [0, 1, 2, 3];

function add(key: string, value: string, appendAction = APPEND, more: object = {}) {
  const header = { key, value, rawValue: new Uint8Array() };
  return { header, appendAction, keepEmptyValue: false, ...more } as envoy.config.core.v3.HeaderValueOption;
}

const fields = (map: HeaderMap) => map.names.map((name, i) => [name.text, map.values[i]]);

function mutateRequest(
  headers: [string, string][],
  toAdd: envoy.config.core.v3.HeaderValueOption[],
  toRemove: string[] = [],
) {
  const context = testContext();
  context.request.headers = headerMap(headers);
  compileHeaderMutations(toAdd, toRemove).applyToRequest(context.request, context);
  return fields(context.request.headers);
}

test('removals, then values from what is left, then overwrites at the end, then appends (as Envoy 1.40 did)', () => {
  const result = mutateRequest(
    [
      ['x-1', 'old1'],
      ['x-1', 'old1b'],
      ['x-2', 'oldt'],
      ['x-rm', 'rm'],
      ['x-7', 'a'],
      ['x-7', 'b'],
      ['x-9', 'nine'],
      ['x-3', 't'],
      ['x-13', 'orig'],
      ['x-last', 'l'],
    ],
    [
      add('x-1', 'new1', OVERWRITE),
      add('x-2', 'two', IF_ABSENT),
      add('x-2', 'two-b', IF_ABSENT),
      add('X-3', 'app'),
      add('x-4', '%REQ(x-1)% %REQ(x-rm)% %REQ(nope)%'),
      add('x-5', '%REQ(nope)%'),
      add('x-6', '%REQ(nope)%', APPEND, { keepEmptyValue: true }),
      add('x-7', 'seven', IF_EXISTS),
      add('x-8', 'eight', IF_EXISTS),
      add('x-9', '', OVERWRITE),
      add('x-10', 'é%%'),
      add('x-2', 'over', OVERWRITE),
      add('x-13', 'a'),
      add('x-13', 'b', OVERWRITE),
      add('x-13', 'c'),
    ],
    ['x-rm', 'X-2'],
  );
  assert.deepEqual(result, [
    ['x-9', 'nine'],
    ['x-3', 't'],
    ['x-last', 'l'],
    ['x-1', 'new1'],
    ['x-7', 'seven'],
    ['x-2', 'over'],
    ['x-13', 'b'],
    ['x-2', 'two'],
    ['x-2', 'two-b'],
    ['x-3', 'app'],
    ['x-4', 'old1  '],
    ['x-6', ''],
    ['x-10', 'Ã©%'],
    ['x-13', 'a'],
    ['x-13', 'c'],
  ]);
});

test('headers that Envoy keeps as one value grow, others get a field of their own', () => {
  assert.deepEqual(
    mutateRequest(
      [
        ['user-agent', 'orig'],
        ['cookie', 'orig'],
      ],
      [add('user-agent', 'ADD'), add('cookie', 'ADD'), add('vary', 'a'), add('vary', 'b')],
    ),
    [
      ['user-agent', 'orig,ADD'],
      ['cookie', 'orig'],
      ['cookie', 'ADD'],
      ['vary', 'a'],
      ['vary', 'b'],
    ],
  );
});

test('responses, the deprecated append, and line ends in computed values', () => {
  const context = testContext();
  context.info.routeName = 'a\r\nx: y\0';
  compileHeaderMutations(
    [
      add('x-backend', 'only', APPEND, { append: false }),
      add('x-r', '%RESP(x-backend)% %RESPONSE_CODE% %RESP(:status)%'),
      add('x-n', '%ROUTE_NAME%'),
      add('vary', 'v'),
    ],
    ['x-envoy-upstream-service-time'],
  ).applyToResponse(context.response, context);
  assert.deepEqual(fields(context.response.headers), [
    ['x-backend', 'only'],
    ['x-r', 'b1 200 200'],
    ['x-n', 'ax: y'],
    ['vary', 'v'],
  ]);
});

test('old spellings of parameters', () => {
  const context = testContext();
  context.info.dynamicMetadata = new Map([['a', { b: 'v' }]]);
  context.info.filterState = new Map([['s', 'w']]);
  context.request.headers = headerMap([]);
  const toAdd = [add('x', '%DYNAMIC_METADATA(["a", "b"])%'), add('y', '%PER_REQUEST_STATE(s)%')];
  compileHeaderMutations(toAdd, []).applyToRequest(context.request, context);
  assert.deepEqual(fields(context.request.headers), [
    ['x', 'v'],
    ['y', 'w'],
  ]);
});

test('what does nothing is empty', () => {
  assert.equal(compileHeaderMutations([], []).isEmpty, true);
  assert.equal(compileHeaderMutations([add('a', '')], []).isEmpty, true);
  assert.equal(compileHeaderMutations([add('a', '', OVERWRITE, { keepEmptyValue: true })], []).isEmpty, false);
});

test('what may not be added, in Envoy’s words', () => {
  const problems = (option: envoy.config.core.v3.HeaderValueOption) => {
    const found: string[] = [];
    checkHeaderToAdd(option, (field, reason) => found.push(`${field}: ${reason}`));
    return found;
  };
  assert.deepEqual(problems(add('ok', '%PER_REQUEST_STATE(s)%')), []);
  assert.deepEqual(problems(add(':path', 'x')), ['header.key: :-prefixed or host headers may not be modified']);
  assert.deepEqual(problems(add('Host', 'x')), ['header.key: :-prefixed or host headers may not be modified']);
  assert.deepEqual(problems(add('a', 'x', IF_ABSENT, { append: true })), [
    "append: Both append and append_action are set and it's not allowed",
  ]);
  assert.deepEqual(problems(add('a', 'x%REQ(a')), [
    "header.value: Incorrect configuration: x%REQ(a. Couldn't find valid command at position 1",
  ]);
});

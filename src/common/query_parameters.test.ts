import assert from 'node:assert/strict';
import test from 'node:test';
import { testContext } from './formatter/test_context.ts';
import { compileQueryMutation, QueryParameters, queryMutationProblem } from './query_parameters.ts';

const [APPEND, IF_ABSENT, OVERWRITE, IF_EXISTS] = [0, 1, 2, 3];

const append = (key: string, text: string, action = APPEND) =>
  ({ append: { record: { key, value: { kind: { case: 'stringValue', value: text } } }, action }, remove: '' }) as never;
const remove = (name: string) => ({ remove: name }) as never;

function mutated(path: string, ...mutations: never[]): string {
  const parameters = new QueryParameters(path);
  for (const mutation of mutations) compileQueryMutation(mutation)(parameters, testContext());
  return parameters.path();
}

test('parameters are sorted by name, unescaped, and written back (as Envoy 1.40 did)', () => {
  assert.equal(mutated('/x'), '/x');
  assert.equal(mutated('/x?'), '/x');
  assert.equal(mutated('/x?b=1&a=2&B=3&a=1&k&=v&%41=4'), '/x?=v&A=4&B=3&a=2&a=1&b=1&k=');
  assert.equal(mutated('/x?&&'), '/x?=&=');
  assert.equal(mutated('/x?a=%zz&b=c=d&'), '/x?a=%zz&b=c=d');
});

test('what is unescaped does not break the request line', () => {
  assert.equal(mutated('/x?a=%20b%0d%0ac%23%00%7F'), '/x?a=%20b%0D%0Ac%23%00%7F');
});

test('every way to append, and removals', () => {
  assert.equal(mutated('/x?a=1', append('a', 'b &/é')), '/x?a=1&a=b%20%26%2F%C3%A9');
  assert.equal(mutated('/x?a=1', append('a', '2', IF_ABSENT), append('b', '2', IF_ABSENT)), '/x?a=1&b=2');
  assert.equal(mutated('/x?a=1&a=2', append('a', '3', OVERWRITE), append('b', '3', OVERWRITE)), '/x?a=3&b=3');
  assert.equal(mutated('/x?a=1', append('a', '4', IF_EXISTS), append('b', '4', IF_EXISTS)), '/x?a=4');
  assert.equal(mutated('/x?a=1&b=2', append('m', '%REQ(:METHOD)%'), remove('b')), '/x?a=1&m=GET');
  assert.equal(mutated('/x?a=1', remove('a')), '/x');
});

test('what is no mutation, in Envoy’s words', () => {
  assert.equal(queryMutationProblem(append('a', 'b')), undefined);
  assert.equal(queryMutationProblem(remove('')), "One of 'append'/'remove' must be specified.");
  const problem = (appended: object) => queryMutationProblem({ append: appended, remove: '' } as never);
  assert.equal(problem({}), 'No record specified for append mutation.');
  assert.equal(problem({ record: { key: 'a' } }), 'Only string value is allowed for record value.');
  assert.match(queryMutationProblem(append('a', '%BOGUS%')) ?? '', /BOGUS/);
});

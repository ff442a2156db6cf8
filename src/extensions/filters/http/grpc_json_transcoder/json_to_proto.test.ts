/** JSON as protobuf: the same as the library's own reading for what is right, Envoy's words for what is wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { BindingTree } from './bindings.ts';
import { resolveFieldPath } from './field_path.ts';
import { writeMessage } from './json_to_proto.ts';
import { parseJson } from './json_tree.ts';
import { JsonPrinter } from './proto_to_json.ts';

const seed = Date.now() % 1_000_000;
const descriptors = readFileSync(new URL('../../../../../config/grpc/bookstore.pb', import.meta.url));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
const shelf = registry.getMessage('bookstore.v1.Shelf')!;
const request = registry.getMessage('bookstore.v1.GetShelfRequest')!;
const options = { registry, enumsInAnyCase: false, rejectCollisions: false };

function bindings(values: Record<string, string>): BindingTree {
  const tree = new BindingTree();
  for (const [name, value] of Object.entries(values)) {
    const path = resolveFieldPath(request, name.split('.'));
    assert.ok(typeof path !== 'string', name);
    tree.add(path, value);
  }
  return tree;
}

/** The message as canonical JSON, or the fault. */
function written(
  type: typeof shelf,
  text: string,
  tree = new BindingTree(),
  more: Partial<typeof options> = {},
): unknown {
  const json = parseJson(text);
  if ('fault' in json) return json.fault;
  const message = writeMessage(type, json, [], tree, { ...options, ...more });
  return 'fault' in message ? message.fault : toJson(type, fromBinary(type, message.bytes));
}

const book = fc.record(
  { title: fc.string({ unit: 'grapheme' }), authors: fc.array(fc.string(), { maxLength: 3 }), cents: fc.integer() },
  { requiredKeys: [] },
);
const shelfJson = fc.record(
  {
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    theme: fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    genre: fc.constantFrom('NOVEL', 'POETRY'),
    books: fc.array(book, { maxLength: 3 }),
    labels: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    builtAt: fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString()),
    seal: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
    open: fc.boolean(),
    // JSON knows no negative zero.
    width: fc.double({ noDefaultInfinity: true, noNaN: true }).map((width) => width + 0),
  },
  { requiredKeys: [] },
);

test('any JSON of a message is the message that the library reads, and printed it is that JSON', () => {
  const printer = new JsonPrinter(registry, undefined);
  fc.assert(
    fc.property(shelfJson, fc.constantFrom(0, 1), (json, indent) => {
      const expected = fromJson(shelf, json as never);
      assert.deepEqual(written(shelf, JSON.stringify(json, null, indent)), toJson(shelf, expected));
      const text = printer.print(shelf, toBinary(shelf, expected));
      assert.deepEqual(JSON.parse(text!), toJson(shelf, expected));
    }),
    { seed, numRuns: 300 },
  );
});

test('no text makes the reader fail, whatever is in it', () => {
  const bits = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    'id',
    'theme',
    '1',
    '-',
    '.',
    'e',
    'null',
    'true',
    '\\',
    'u0',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(bits, fc.string({ maxLength: 2 })), { maxLength: 30 }), (parts) => {
      written(shelf, parts.join(''));
    }),
    { seed, numRuns: 2000 },
  );
  assert.match(String(written(shelf, '['.repeat(100_000))), /Max recursion depth/);
});

test('numbers keep their digits, fields may have both their names, and unknown ones do not count', () => {
  assert.deepEqual(written(shelf, '{"id":9007199254740993}'), { id: '9007199254740993' });
  assert.deepEqual(written(shelf, '{"built_at":"2020-01-01T00:00:00.5+01:00","x":[{}]}'), {
    builtAt: '2019-12-31T23:00:00.500Z',
  });
  assert.deepEqual(written(shelf, "{theme: 'single', open: 'yes', id: 2.0, width: '1e3'}"), {
    ...{ id: '2', theme: 'single', open: true, width: 1000 },
  });
});

test('what is wrong is told as Envoy tells it', () => {
  const faults: Record<string, string> = {
    '{"theme":1}': 'theme: invalid value 1 for type TYPE_STRING',
    '{"id":"1.0"}': 'id: invalid value "1.0" for type TYPE_INT64',
    '{"id":1e30}': 'id: invalid value 1e30 for type TYPE_INT64',
    '{"genre":"NOPE"}': 'genre: invalid value "NOPE" for type type.googleapis.com/bookstore.v1.Genre',
    '{"books":[{"cents":true}]}': 'books.cents: invalid value true for type TYPE_INT32',
    '{"books":[{"cents":1,"note":"n"}]}':
      "books: invalid value oneof field 'price' is already set. Cannot set 'note' for type oneof",
    '{"theme":["a"]}': ': Proto field is not repeating, cannot start list.',
    '{"theme":"a"}x': `Parsing terminated before end of input.\n{"theme":"a"}x\n${' '.repeat(13)}^`,
    '{"theme":': 'Unexpected end of string. Expected a value.\n\n^',
    '{"theme"}': 'Expected : between key:value pair.\n{"theme"}\n        ^',
    '{"theme":"a" 1}': `Expected , or } after key:value pair.\n{"theme":"a" 1}\n${' '.repeat(13)}^`,
    '{1:2}': 'Expected an object key or }.\n{1:2}\n ^',
    '"a': 'Closing quote expected in string.\n\n^',
    nope: 'Unexpected token.\nnope\n^',
  };
  for (const [text, fault] of Object.entries(faults)) assert.equal(written(shelf, text), fault);
});

test('what path and query say is woven in, behind what the body says of the same message', () => {
  const values = { shelf: '7', 'filter.genre': 'POETRY', 'filter.limit': '3', tag: 'x', 'filter.fields': 'a,bC' };
  assert.deepEqual(written(request, '{"name":"n","filter":{"score":1}}', bindings(values)), {
    ...{ shelf: '7', name: 'n', filter: { genre: 'POETRY', limit: 3, score: 1, fields: 'a,bC' }, tag: ['x'] },
  });
  assert.deepEqual(written(request, '{"shelf":1}', bindings({ shelf: '2' })), { shelf: '1' });
  assert.equal(
    written(request, '{"shelf":1}', bindings({ shelf: '2' }), { rejectCollisions: true }),
    'The binding value "2" of the field shelf is conflicting with the value "1" in the body.',
  );
  assert.deepEqual(written(request, '', bindings({ 'filter.genre': 'novel' }), { enumsInAnyCase: true }), {
    filter: { genre: 'NOVEL' },
  });
  assert.match(
    String(written(request, '', bindings({ shelf: 'x' }))),
    /^shelf: invalid value "x" for type TYPE_INT64$/,
  );
});

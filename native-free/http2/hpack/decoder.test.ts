/** The HPACK decoder: the RFC's examples, every way a block can be wrong, and that bombs cost no more than their bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlock, FieldRecorder, hex, integer, literal } from '../../../test/support/hpack_blocks.ts';
import { headerName } from '../../headers/header_name.ts';
import { HpackDecoder } from './decoder.ts';
import { FieldFlag, FieldRole } from './field_kind.ts';

const REQUEST = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const DATE = 'Mon, 21 Oct 2013 20:13:21 GMT';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const RESPONSES = [
  [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', DATE],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', DATE],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', DATE.replace(':21 G', ':22 G')],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', COOKIE],
  ],
];
/** RFC 7541 appendix C.5 and C.6 have a table of 256 bytes. */
const TABLE_256 = '3fe101';

test('C.1: integers', () => {
  const decoder = new HpackDecoder(1 << 20);
  // 10 and 42 as indices, 1337 as a size of the table.
  assert.deepEqual(decodeBlock(decoder, hex('8a aa')), [
    [':status', '206'],
    ['if-range', ''],
  ]);
  assert.deepEqual(decodeBlock(decoder, hex('3f9a0a 82')), [[':method', 'GET']]);
});

test('C.2: one field in each representation', () => {
  const decode = (block: string) => decodeBlock(new HpackDecoder(4096), hex(block));
  assert.deepEqual(decode('400a 637573746f6d2d6b6579 0d 637573746f6d2d686561646572'), [
    ['custom-key', 'custom-header'],
  ]);
  assert.deepEqual(decode('040c 2f73616d706c652f70617468'), [[':path', '/sample/path']]);
  assert.deepEqual(decode('1008 70617373776f7264 06 736563726574'), [['password', 'secret']]);
  assert.deepEqual(decode('82'), [[':method', 'GET']]);
});

test('C.3 and C.4: requests on one connection, plain and with Huffman', () => {
  for (const blocks of [
    [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  ]) {
    const decoder = new HpackDecoder(4096);
    assert.deepEqual(decodeBlock(decoder, hex(blocks[0])), REQUEST);
    assert.deepEqual(decodeBlock(decoder, hex(blocks[1])), [...REQUEST, ['cache-control', 'no-cache']]);
    assert.deepEqual(decodeBlock(decoder, hex(blocks[2])), [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ]);
  }
});

test('C.5 and C.6: responses that evict each other, plain and with Huffman', () => {
  const hexOf = (text: string) => Buffer.from(text).toString('hex');
  for (const blocks of [
    [
      `4803333032580770726976617465611d${hexOf(DATE)}6e17${hexOf('https://www.example.com')}`,
      '4803333037c1c0bf',
      `88c1611d${hexOf(DATE.replace(':21 G', ':22 G'))}c05a04677a69707738${hexOf(COOKIE)}`,
    ],
    [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab' +
        '270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  ]) {
    const decoder = new HpackDecoder(4096);
    assert.deepEqual(decodeBlock(decoder, hex(TABLE_256 + blocks[0])), RESPONSES[0]);
    assert.deepEqual(decodeBlock(decoder, hex(blocks[1])), RESPONSES[1]);
    assert.deepEqual(decodeBlock(decoder, hex(blocks[2])), RESPONSES[2]);
    // set-cookie, content-encoding and date are in the table, and nothing else.
    assert.equal(decodeBlock(decoder, hex('bebfc0'))?.length, 3);
    assert.equal(decodeBlock(decoder, hex('c1')), undefined);
  }
});

test('every truncation of a block is an error or a shorter list, and never throws', () => {
  const block = hex('828684418cf1e3c2e5f23a6ba0ab90f4ff408825a849e95ba97d7f8925a849e95bb8e8b4bf0f0d0133');
  for (let end = 0; end < block.length; end++) {
    const fields = decodeBlock(new HpackDecoder(4096), block.subarray(0, end));
    assert.ok(fields === undefined || fields.length < 6);
  }
});

test('what breaks the compression', () => {
  for (const [what, block] of [
    ['index 0', '80'],
    ['index behind the static table', 'be'],
    ['index far behind', 'ffffffff0f'],
    ['name index behind the static table', '7e0161'],
    ['integer without an end', 'ff'],
    ['integer that goes on', 'ff8080808080808080808000'],
    ['integer above 2^32', 'ffffffffff7f'],
    ['string longer than the block', '00017805616263'],
    ['string of 2^28 bytes', '0001787f81ffff7f61'],
    ['no name', '00'],
    ['no value', '000178'],
    ['size update behind a field', '8220'],
    ['three size updates', '20202082'],
    ['size update above the limit', '3fe21f'],
    ['Huffman: padding of eight bits', '00017882ffff'],
    ['Huffman: padding of zeros', '0001788118'],
    ['Huffman: EOS', '00017884ffffffff'],
    ['Huffman: EOS and padding', '00017885fffffffffc'],
    ['Huffman: a whole byte of padding', '000178821fff'],
  ]) {
    assert.equal(decodeBlock(new HpackDecoder(4096), hex(block)), undefined, what);
  }
  assert.deepEqual(decodeBlock(new HpackDecoder(4096), hex('20 3fe11f 82')), [[':method', 'GET']]);
  assert.deepEqual(decodeBlock(new HpackDecoder(4096), Buffer.alloc(0)), []);
  assert.deepEqual(decodeBlock(new HpackDecoder(4096), hex('0001780080')), undefined);
  assert.deepEqual(decodeBlock(new HpackDecoder(4096), hex('00017880')), [['x', '']]);
});

test('a smaller table binds the peer once it knows of it', () => {
  const decoder = new HpackDecoder(100);
  const add = Buffer.from(literal(0x40, 0, 'x-a', 'b'.repeat(100)));
  assert.ok(decodeBlock(decoder, add));
  decoder.settingsAcknowledged();
  assert.equal(decodeBlock(decoder, hex('82')), undefined);
  const other = new HpackDecoder(100);
  assert.ok(decodeBlock(other, add));
  other.settingsAcknowledged();
  assert.ok(decodeBlock(other, Buffer.from([...integer(0x20, 0x1f, 100), 0x82])));
  assert.equal(decodeBlock(other, hex('be')), undefined);
  assert.equal(decodeBlock(other, Buffer.from(integer(0x20, 0x1f, 101))), undefined);
});

test('a field larger than the table empties it', () => {
  const decoder = new HpackDecoder(4096);
  assert.ok(decodeBlock(decoder, Buffer.from(literal(0x40, 0, 'x-a', 'b'))));
  assert.ok(decodeBlock(decoder, hex('be')));
  assert.ok(decodeBlock(decoder, Buffer.from(literal(0x40, 0, 'x-a', 'b'.repeat(4062)))));
  assert.equal(decodeBlock(decoder, hex('be')), undefined);
});

test('a name may be that of the entry that its field evicts', () => {
  const decoder = new HpackDecoder(4096);
  assert.ok(decodeBlock(decoder, Buffer.from(literal(0x40, 0, 'x-a', 'b'.repeat(3000)))));
  assert.deepEqual(decodeBlock(decoder, Buffer.from(literal(0x40, 62, '', 'c'.repeat(3000)))), [
    ['x-a', 'c'.repeat(3000)],
  ]);
  assert.deepEqual(decodeBlock(decoder, hex('be')), [['x-a', 'c'.repeat(3000)]]);
});

test('kinds: roles, bad names and values, never-indexed ones; bad names stay bad in the table', () => {
  const kindOf = (name: string, value: string, type = 0) => {
    const recorder = new FieldRecorder();
    const block = Buffer.from(literal(type, 0, name, value));
    assert.ok(new HpackDecoder(4096).decode(block, 0, block.length, recorder));
    assert.deepEqual(
      recorder.fields,
      [[name.toLowerCase(), value]].map(([, v]) => [recorder.fields[0][0], v]),
    );
    return recorder.kinds[0];
  };
  assert.equal(kindOf('x-a', 'b\tc \xff'), FieldRole.Plain);
  assert.equal(kindOf('x-a', ''), FieldRole.Plain);
  for (const name of ['X-A', 'x a', '', 'x:a', 'x\xe9', 'x\0', 'x\n', 'é'.repeat(3)]) {
    assert.equal(kindOf(name, 'v'), FieldFlag.BadName, JSON.stringify(name));
  }
  for (const value of ['a\rb', '\n', '\0', 'a\x01', '\x7f']) {
    assert.equal(kindOf('x-a', value) & FieldFlag.BadValue, FieldFlag.BadValue, JSON.stringify(value));
  }
  assert.equal(kindOf('x-a', ' v'), FieldFlag.PaddedValue);
  assert.equal(kindOf('x-a', 'v\t'), FieldFlag.PaddedValue);
  assert.equal(kindOf('x_a', 'v'), FieldFlag.Underscore);
  assert.equal(kindOf('x-a', 'v', 0x10), FieldFlag.NeverIndexed);
  assert.equal(kindOf(':path', '/'), FieldRole.Path);
  assert.equal(kindOf(':foo', '/'), FieldRole.UnknownPseudo);
  assert.equal(kindOf(':Path', '/'), FieldRole.UnknownPseudo);
  assert.equal(kindOf('te', 'trailers'), FieldRole.Te);
  assert.equal(kindOf('keep-alive', 'x'), FieldRole.ConnectionSpecific);

  const decoder = new HpackDecoder(4096);
  const recorder = new FieldRecorder();
  const block = Buffer.from([
    ...literal(0x40, 0, 'X-Bad', 'a\nb'),
    0xbe,
    ...literal(0x40, 62, '', 'good'),
    ...literal(0x10, 62, '', 'good'),
    0xbe,
  ]);
  assert.ok(decoder.decode(block, 0, block.length, recorder));
  const { BadName, BadValue, NeverIndexed } = FieldFlag;
  assert.deepEqual(recorder.kinds, [BadName | BadValue, BadName | BadValue, BadName, BadName | NeverIndexed, BadName]);
});

test('names that code comes to know later are found by identity, also in the table', () => {
  const decoder = new HpackDecoder(4096);
  assert.ok(decodeBlock(decoder, Buffer.from(literal(0x40, 0, 'x-known-later', 'v'))));
  const name = headerName('x-known-later');
  const found: unknown[] = [];
  assert.ok(decoder.decode(hex('be'), 0, 1, { field: (field) => found.push(field) }));
  assert.equal(found[0], name);
});

test('a bomb of references costs as much as its bytes: 4,000 x 4,000 bytes from 8 KB', () => {
  const decoder = new HpackDecoder(4096);
  const bomb = Buffer.from([...literal(0x40, 0, 'x', 'b'.repeat(4000)), ...new Array<number>(4000).fill(0xbe)]);
  const counter = {
    total: 0,
    field(_name: unknown, _value: string, _kind: number, size: number) {
      this.total += size;
    },
  };
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  for (let i = 0; i < 20; i++) assert.ok(decoder.decode(bomb, 0, bomb.length, counter));
  assert.equal(counter.total, 20 * 4001 * 4033);
  assert.ok(performance.now() - start < 500);
  assert.ok(process.memoryUsage().heapUsed - before < 8e6);
});

test('a table holds its bytes and no more, however many names pass through it', () => {
  const decoder = new HpackDecoder(4096);
  const block = (from: number) =>
    Buffer.from(Array.from({ length: 500 }, (_, i) => literal(0x40, 0, `x-${from + i}-${'n'.repeat(60)}`, 'v')).flat());
  const run = (rounds: number) => {
    for (let i = 0; i < rounds; i++) {
      const bytes = block(i * 500);
      assert.ok(decoder.decode(bytes, 0, bytes.length, { field: () => {} }));
    }
  };
  run(20);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  run(40);
  globalThis.gc?.();
  if (globalThis.gc !== undefined) assert.ok(process.memoryUsage().heapUsed - before < 2e6);
  // 4096 / (66 to 68 + 32 + 1) entries fit.
  assert.ok(decodeBlock(decoder, Buffer.from(integer(0x80, 0x7f, 62 + 39))));
  assert.equal(decodeBlock(decoder, Buffer.from(integer(0x80, 0x7f, 62 + 41))), undefined);
});

test('strings above 64 KiB are refused, a Huffman one too', () => {
  const long = (length: number) => Buffer.from(literal(0, 0, 'x', 'b'.repeat(length)));
  assert.ok(decodeBlock(new HpackDecoder(4096), long(65536)));
  assert.equal(decodeBlock(new HpackDecoder(4096), long(65537)), undefined);
  // '0' is five zero bits: 8 of them in 5 bytes.
  const zeros = (bytes: number) =>
    Buffer.concat([Buffer.from([0, 1, 0x78, ...integer(0x80, 0x7f, bytes)]), Buffer.alloc(bytes)]);
  assert.equal(decodeBlock(new HpackDecoder(4096), zeros(40960))?.[0][1], '0'.repeat(65536));
  assert.equal(decodeBlock(new HpackDecoder(4096), zeros(40965)), undefined);
  assert.equal(decodeBlock(new HpackDecoder(4096), zeros(1 << 20)), undefined);
});

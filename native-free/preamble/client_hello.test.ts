import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientHelloReader, HelloStatus, parseClientHello } from './client_hello.ts';
import { ja3Text, ja4Parts } from './tls_fingerprint.ts';

const u16 = (value: number) => [value >> 8, value & 255];
const block16 = (bytes: readonly number[]) => [...u16(bytes.length), ...bytes];
const block8 = (bytes: readonly number[]) => [bytes.length, ...bytes];
const ascii = (text: string) => [...Buffer.from(text)];
const extension = (type: number, content: readonly number[]) => [...u16(type), ...block16(content)];

const serverName = (name: readonly number[]) => extension(0, block16([0, ...block16(name)]));
const alpn = (...names: string[]) => extension(16, block16(names.flatMap((name) => block8(ascii(name)))));
const groups = extension(10, block16([0x1a, 0x1a, 0, 29, 0, 23]));
const formats = extension(11, block8([0]));
const algorithms = extension(13, block16([4, 3, 8, 4]));
const versions = extension(43, block8([0x2a, 0x2a, 3, 4, 3, 3]));

function body(
  extensions: readonly number[] | undefined,
  more: { version?: number; suites?: number[]; compression?: number[] } = {},
): number[] {
  const { version = 0x0303, suites = [0x0a0a, 0x1301, 0xc02f], compression = [0] } = more;
  return [
    ...u16(version),
    ...new Array<number>(32).fill(7),
    ...block8([1, 2, 3]),
    ...block16(suites.flatMap(u16)),
    ...block8(compression),
    ...(extensions === undefined ? [] : block16(extensions)),
  ];
}

const message = (content: readonly number[]) => [1, 0, ...block16(content)];

/** The message in records of at most `size` bytes. */
function records(content: readonly number[], size = 16_384): Buffer {
  const pieces: number[] = [];
  for (let at = 0; at < content.length; at += size) pieces.push(22, 3, 1, ...block16(content.slice(at, at + size)));
  return Buffer.from(pieces);
}

const usual = body([
  ...extension(0x0a0a, []),
  ...serverName(ascii('A.test')),
  ...groups,
  ...formats,
  ...algorithms,
  ...alpn('h2', 'http/1.1'),
  ...versions,
]);

function push(bytes: Uint8Array, limit = 16_384): { status: HelloStatus; reader: ClientHelloReader } {
  const whole = new ClientHelloReader(limit);
  const status = whole.push(bytes, 0, bytes.length);
  const reader = new ClientHelloReader(limit);
  let split: HelloStatus = HelloStatus.More;
  for (let at = 0; at < bytes.length && split === HelloStatus.More; at++) split = reader.push(bytes, at, at + 1);
  assert.equal(split, status, 'byte by byte');
  assert.equal(reader.consumed, whole.consumed);
  assert.deepEqual(reader.hello?.message, whole.hello?.message);
  return { status, reader: whole };
}

test('a hello in one record, in many, and cut at every byte', () => {
  for (const size of [16_384, 100, 7, 1]) {
    const bytes = records(message(usual), size);
    const { status, reader } = push(Buffer.concat([bytes, Buffer.from('more')]));
    assert.equal(status, HelloStatus.Found, `records of ${size}`);
    assert.deepEqual([reader.hello?.serverName, reader.hello?.alpn], ['A.test', ['h2', 'http/1.1']]);
    assert.equal(reader.consumed, bytes.length);
  }
  const bytes = records(message(usual));
  for (let cut = 1; cut < bytes.length; cut++) {
    const reader = new ClientHelloReader(16_384);
    assert.equal(reader.push(bytes, 0, cut), HelloStatus.More);
    assert.equal(reader.push(bytes, cut, bytes.length), HelloStatus.Found);
  }
});

test('what is no TLS is known by its first five bytes', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4',
    '\x15\x03\x01\0\x02\x01\0',
    '\x16\x02\x01\0\x10',
    '\x16\x03\x01\xff\xff',
  ]) {
    const bytes = Buffer.from(text, 'latin1');
    const { status, reader } = push(bytes);
    assert.equal(status, HelloStatus.NotTls, JSON.stringify(text));
    assert.equal(reader.consumed, 5);
    assert.equal(push(bytes.subarray(0, 4)).status, HelloStatus.More);
  }
  assert.equal(push(records([2, 0, 0, 0])).status, HelloStatus.NotTls, 'a ServerHello');
});

test('a hello that breaks the syntax is no hello', () => {
  const bad: Record<string, number[]> = {
    'bytes behind it': [...body([]), 0],
    'no cipher suite': body([], { suites: [] }),
    'no null compression': body([], { compression: [1] }),
    'SSL 3': body([], { version: 0x0300 }),
    'an extension twice': body([...formats, ...formats]),
    'an extension cut': body(formats.slice(0, -1)),
    'an empty name': body(serverName([])),
    'NUL in the name': body(serverName([65, 0, 66])),
    'a name of 256 bytes': body(serverName(new Array<number>(256).fill(97))),
    'two names': body(extension(0, block16([0, ...block16([97]), 0, ...block16([98])]))),
  };
  for (const [what, content] of Object.entries(bad)) {
    assert.equal(parseClientHello(Uint8Array.from(content)), undefined, what);
    assert.equal(push(records(message(content))).status, HelloStatus.NotTls, what);
  }
  assert.equal(parseClientHello(Uint8Array.from(body(undefined)))?.serverName, '');
  for (const content of [[], block16([]), block16(block8([])), [...block16(block8([97])), 1]])
    assert.equal(parseClientHello(Uint8Array.from(body(extension(16, content))))?.alpn, undefined);
});

test('a hello is bounded, whole and in memory', () => {
  const large = records(message(body(extension(21, new Array<number>(16_325).fill(0)))));
  assert.ok(large.length < 16_390 && large.length > 16_384);
  assert.equal(push(large).status, HelloStatus.TooLarge);
  assert.equal(push(large, 65_536).status, HelloStatus.Found);
  assert.equal(push(records(message(usual)), 100).status, HelloStatus.TooLarge);
  const claimed = Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]);
  assert.equal(push(claimed, 65_536).status, HelloStatus.NotTls, 'a message of 64 KiB is not waited for');
  const empty = Buffer.concat(new Array(40).fill(Buffer.from([22, 3, 1, 0, 0])));
  assert.equal(push(empty).status, HelloStatus.NotTls, 'empty records do not go on for ever');
});

test('fingerprints', () => {
  const hello = parseClientHello(Uint8Array.from(usual))!;
  assert.equal(ja3Text(hello), '771,4865-49199,0-10-11-13-16-43,6682-29-23,0');
  const { prefix, ciphers, extensions } = ja4Parts(hello);
  assert.deepEqual([prefix, ciphers, extensions], ['t13d0206h2', '1301,c02f', '000a,000b,000d,002b_0403,0804']);
  assert.equal(createHash('md5').update(ja3Text(hello)).digest('hex').length, 32);
  const bare = parseClientHello(Uint8Array.from(body(undefined, { version: 0x0301, suites: [0x0a0a] })))!;
  assert.deepEqual(ja4Parts(bare), { prefix: 't10i000000', ciphers: '', extensions: '' });
  const odd = parseClientHello(Uint8Array.from(body(alpn('\x0fx'))))!;
  assert.equal(ja4Parts(odd).prefix.slice(-2), '08');
});

test('bytes of every kind end in an answer', () => {
  const mutated = fc.tuple(
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
    fc.integer({ min: 1, max: 400 }),
  );
  fc.assert(
    fc.property(mutated, ([edits, size]) => {
      const bytes = records(message(usual), size);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      const { status, reader } = push(bytes);
      assert.equal(status === HelloStatus.Found, reader.hello !== undefined);
      if (reader.hello !== undefined) {
        ja3Text(reader.hello);
        ja4Parts(reader.hello);
      }
    }),
    { numRuns: 1000 },
  );
});

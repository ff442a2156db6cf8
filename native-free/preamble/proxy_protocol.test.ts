import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';
import { mayBeProxyHeader, type ProxyHeader, ProxyProtocolReader, ProxyStatus } from './proxy_protocol.ts';
import { proxyV1Header, proxyV2Header, proxyV2LocalHeader } from './proxy_protocol_writer.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const addresses = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187]);

function v2(command: number, family: number, body: Uint8Array, length = body.length): Buffer {
  return Buffer.concat([signature, Buffer.from([command, family, length >> 8, length & 255]), body]);
}

interface Outcome {
  readonly status: ProxyStatus;
  readonly version: number;
  readonly header: ProxyHeader | undefined;
}

/** All at once, and one byte more each time: both must agree. */
function read(bytes: Buffer): Outcome {
  const whole = new ProxyProtocolReader();
  const status = whole.read(bytes, bytes.length);
  const reader = new ProxyProtocolReader();
  let split: ProxyStatus = ProxyStatus.More;
  for (let length = 1; length <= bytes.length && split === ProxyStatus.More; length++)
    split = reader.read(bytes, length);
  assert.equal(split, status, 'byte by byte');
  assert.deepEqual(reader.header, whole.header);
  return { status, version: whole.version, header: whole.header };
}

const text = (line: string) => read(Buffer.from(line, 'latin1'));

test('version 1: addresses, UNKNOWN, and what is refused', () => {
  const { status, version, header } = text('PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\nGET /');
  assert.deepEqual([status, version, header?.length], [ProxyStatus.Done, 1, 36]);
  assert.deepEqual(header?.source, { ip: '1.2.3.4', port: 1000 });
  assert.deepEqual(header?.destination, { ip: '5.6.7.8', port: 80 });
  assert.deepEqual(text('PROXY TCP6 ::1 2001:DB8:0::2 1000 80\r\n').header?.destination, {
    ip: '2001:db8::2',
    port: 80,
  });
  assert.equal(text('PROXY UNKNOWN\r\n').header?.local, true);
  assert.equal(text('PROXY UNKNOWN a b c\r\n').header?.local, true);
  assert.equal(text('PROXY TCP4 1.2.3.4 5.6.7.8 01000 80 \r\n').status, ProxyStatus.Done);
  for (const line of [
    'PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1000 80 90\r\n',
    'PROXY TCP4  1.2.3.4 5.6.7.8 1000 80\r\n',
    'PROXY TCP4 ::1 2001:db8::2 1000 80\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1000 80\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1000 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 -1 80\r\n',
    'PROXY TCP4 224.0.0.1 5.6.7.8 1000 80\r\n',
    'PROXY TCP4 255.255.255.255 5.6.7.8 1000 80\r\n',
    'PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n',
    'PROXY TCP6 ff02::1 ::1 1 2\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY\r\n',
    'hi\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    `PROXY ${'x'.repeat(120)}`,
  ])
    assert.equal(text(line).status, ProxyStatus.Error, JSON.stringify(line));
  for (const line of ['', 'GET', 'PROXYxxxxx', 'PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r', '\r\n\r\n\0\r\nQUIT'])
    assert.equal(text(line).status, ProxyStatus.More, JSON.stringify(line));
});

test('version 2: addresses, LOCAL, TLVs, and what is refused', () => {
  const { status, version, header } = read(
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from('\x01\0\x02h2\x04\0\0', 'latin1')])),
  );
  assert.deepEqual([status, version, header?.length], [ProxyStatus.Done, 2, 36]);
  assert.deepEqual(header?.source, { ip: '1.2.3.4', port: 80 });
  assert.deepEqual(header?.destination, { ip: '5.6.7.8', port: 443 });
  assert.deepEqual(
    header?.tlvs.map(({ type, value }) => [type, Buffer.from(value).toString()]),
    [
      [1, 'h2'],
      [4, ''],
    ],
  );
  assert.equal(read(v2(0x21, 0x12, addresses)).status, ProxyStatus.Done, 'datagrams are taken too');
  const six = Buffer.alloc(36, 0);
  six[0] = six[16] = 0x20;
  assert.equal(read(v2(0x21, 0x21, six)).header?.source?.ip, '2000::');
  for (const body of [Buffer.alloc(0), Buffer.from('abc'), addresses])
    assert.equal(read(v2(0x20, 0, body)).header?.local, true);
  for (const bad of [
    v2(0x22, 0x11, addresses),
    v2(0x11, 0x11, addresses),
    v2(0x21, 0x31, Buffer.alloc(216)),
    v2(0x21, 0, Buffer.alloc(0)),
    v2(0x21, 0x11, addresses.subarray(1)),
    v2(0x21, 0x13, addresses),
    v2(0x21, 0x21, six.subarray(1)),
    v2(0x21, 0x11, Buffer.alloc(12)),
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([1])])),
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([1, 0])])),
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([1, 0, 2, 65])])),
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([1, 255, 255])])),
  ])
    assert.equal(read(bad).status, ProxyStatus.Error, bad.toString('hex'));
  const unfinished = new ProxyProtocolReader();
  assert.equal(unfinished.read(v2(0x21, 0x11, addresses, 65_535), 28), ProxyStatus.More);
  assert.equal(unfinished.wanted, 65_551, 'the longest header there can be');
});

test('a TLV never reaches beyond its header into what follows', () => {
  const spilling = Buffer.concat([
    v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([1, 0, 4])])),
    Buffer.from('GET / HTTP/1.1'),
  ]);
  assert.equal(read(spilling).status, ProxyStatus.Error);
});

test('the checksum of a header', () => {
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283);
  const bytes = v2(0x21, 0x11, Buffer.concat([addresses, Buffer.from([3, 0, 4, 0, 0, 0, 0])]));
  bytes.writeUInt32BE(crc32c(bytes, 0, bytes.length), bytes.length - 4);
  assert.equal(read(bytes).header?.intact, true);
  bytes[16] ^= 1;
  assert.equal(read(bytes).header?.intact, false);
});

test('what may become a header', () => {
  assert.equal(mayBeProxyHeader(Buffer.from('PRO'), 3, 1), true);
  assert.equal(mayBeProxyHeader(Buffer.from('PRO'), 3, 2), false);
  assert.equal(mayBeProxyHeader(signature, 12, 2), true);
});

const ip = fc.oneof(
  fc.ipV4().filter((a) => !/^(0\.0\.0\.0|255\.255\.255\.255|2(2[4-9]|3\d)\.)/.test(a)),
  fc
    .tuple(fc.integer({ min: 0x2000, max: 0x3fff }), fc.integer({ min: 1, max: 0xffff }))
    .map(([a, b]) => `${a.toString(16)}::${b.toString(16)}`),
);
const port = fc.integer({ min: 0, max: 65_535 });

test('what is written is read', () => {
  fc.assert(
    fc.property(
      ip,
      ip,
      port,
      port,
      fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 5 }),
      (a, b, p, q, list) => {
        if (a.includes(':') !== b.includes(':')) return;
        const [source, destination] = [
          { ip: a, port: p },
          { ip: b, port: q },
        ];
        const one = text(proxyV1Header(source, destination)).header;
        assert.deepEqual([one?.source, one?.destination], [source, destination]);
        const tlvs = list.map(([type, value]) => ({ type, value }));
        const { bytes, complete } = proxyV2Header(source, destination, tlvs);
        const two = read(Buffer.from(bytes)).header;
        assert.equal(complete, true);
        assert.deepEqual([two?.source, two?.destination, two?.length], [source, destination, bytes.length]);
        assert.deepEqual(
          two?.tlvs.map(({ type, value }) => ({ type, value: Uint8Array.from(value) })),
          tlvs,
        );
      },
    ),
  );
  assert.equal(read(Buffer.from(proxyV2LocalHeader())).header?.local, true);
  const source = { ip: '1.2.3.4', port: 1 };
  const huge = [
    { type: 1, value: new Uint8Array(65_535) },
    { type: 2, value: new Uint8Array(9) },
  ];
  const { bytes, complete } = proxyV2Header(source, source, huge);
  assert.deepEqual([complete, bytes.length], [false, 28 + 12]);
});

test('bytes of every kind end in an answer', () => {
  const body = fc.uint8Array({ maxLength: 200 });
  const start = fc.constantFrom(signature, Buffer.from('PROXY '), Buffer.from('PROXY TCP4 '), Buffer.alloc(0));
  fc.assert(
    fc.property(start, body, (head, tail) => void read(Buffer.concat([head, tail]))),
    { numRuns: 2000 },
  );
});

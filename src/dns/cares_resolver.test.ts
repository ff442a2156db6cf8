/** Asking name servers of one's own: families, time to live, search domains, the hosts file, and what counts as a failure. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Cluster_DnsLookupFamily } from '../api/enums.ts';
import { type CaresOptions, caresDefaults, caresResolver } from './cares_resolver.ts';
import { hostsFile } from './hosts_file.ts';
import type { DnsAnswer, DnsLookupFamily } from './resolver.ts';

const typeA = 1;
/** `name type` → addresses in hex and their TTL; other names do not exist. */
const zone: Record<string, [rdata: string, ttl: number][]> = {
  'both.test 1': [
    ['0a000001', 30],
    ['0a000002', 20],
  ],
  'both.test 28': [['20010db8000000000000000000000001', 40]],
  'four.test 1': [['0a000003', 7]],
  'four.test 28': [],
  'short.search.test 1': [['0a000004', 9]],
};
const asked: string[] = [];
const server = createSocket('udp4');
let dir: string;
let servers: string[];

function reply(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (; query[at] !== 0; at += query[at] + 1) labels.push(query.latin1Slice(at + 1, at + 1 + query[at]));
  const name = labels.join('.').toLowerCase();
  const type = query.readUInt16BE(at + 1);
  asked.push(`${name} ${type}`);
  if (name === 'silent.test') return undefined;
  const answers = zone[`${name} ${type}`];
  const exists = Object.keys(zone).some((key) => key.startsWith(`${name} `));
  const head = Buffer.from(query.subarray(0, 12));
  let code = 0;
  if (name === 'broken.test') code = 2;
  else if (!exists) code = 3;
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(answers?.length ?? 0, 6);
  head.fill(0, 8, 12);
  const records = (answers ?? []).map(([rdata, ttl]) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(rdata.length / 2, 10);
    return Buffer.concat([record, Buffer.from(rdata, 'hex')]);
  });
  return Buffer.concat([head, query.subarray(12, at + 5), ...records]);
}

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'nuncio-dns-'));
  writeFileSync(path.join(dir, 'hosts'), '127.0.0.9 pinned.test other # note\n::9 pinned.test\n');
  writeFileSync(path.join(dir, 'resolv.conf'), 'nameserver 192.0.2.1\nsearch search.test\n');
  server.on('message', (query, from) => {
    const answer = reply(query);
    if (answer !== undefined) server.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  servers = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

function resolve(name: string, family: DnsLookupFamily, more: Partial<CaresOptions> = {}): Promise<DnsAnswer> {
  const options = { ...caresDefaults, servers, timeout: 200, tries: 1, ...more };
  const resolver = caresResolver(options, hostsFile(path.join(dir, 'hosts')), path.join(dir, 'resolv.conf'));
  return new Promise((done) => resolver.resolve(name, family, done));
}

const { AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL } = Cluster_DnsLookupFamily;
const four = ['10.0.0.1', '10.0.0.2'];
const six = ['2001:db8::1'];

for (const [family, addresses, ttl] of [
  [AUTO, six, 40],
  [V4_ONLY, four, 20],
  [V6_ONLY, six, 40],
  [V4_PREFERRED, four, 20],
  [ALL, [...four, ...six], 20],
] as const) {
  test(`both families, asked for ${family}`, async () => {
    const answer = await resolve('both.test', family);
    assert.ok(answer.ok);
    assert.deepEqual([answer.addresses.toSorted(), answer.ttl], [addresses.toSorted(), ttl]);
  });
}

test('AUTO takes IPv4 where there is no IPv6', async () => {
  assert.deepEqual(await resolve('four.test', AUTO), { ok: true, addresses: ['10.0.0.3'], ttl: 7 });
  assert.deepEqual(await resolve('four.test', V6_ONLY), { ok: true, addresses: [] });
});

test('the hosts file goes first, IP literals are answered at once', async () => {
  asked.length = 0;
  assert.deepEqual(await resolve('pinned.test', ALL), { ok: true, addresses: ['127.0.0.9', '::9'] });
  assert.deepEqual(await resolve('OTHER', AUTO), { ok: true, addresses: ['127.0.0.9'] });
  assert.deepEqual(await resolve('10.1.1.1', AUTO), { ok: true, addresses: ['10.1.1.1'] });
  assert.deepEqual(asked, []);
});

test('names with few dots are tried below the search domains', async () => {
  assert.deepEqual(await resolve('short', V4_ONLY), { ok: true, addresses: ['10.0.0.4'], ttl: 9 });
  asked.length = 0;
  assert.deepEqual(await resolve('short', V4_ONLY, { searchDomains: false }), { ok: true, addresses: [] });
  assert.deepEqual(asked, [`short ${typeA}`]);
});

test('a name that does not exist is an answer, a server that fails or is silent is not', async () => {
  assert.deepEqual(await resolve('absent.test', V4_ONLY), { ok: true, addresses: [] });
  assert.deepEqual(await resolve('broken.test', V4_ONLY), { ok: false, reason: 'ESERVFAIL' });
  assert.deepEqual(await resolve('silent.test', V4_ONLY), { ok: false, reason: 'ETIMEOUT' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster_DnsLookupFamily as Family } from '../api/enums.ts';
import { type DnsAnswer, selectFamily, systemResolver } from './resolver.ts';

const both = ['10.0.0.1', '::1', '10.0.0.2'];

test('lookup families', () => {
  assert.deepEqual(selectFamily(both, Family.AUTO), ['::1']);
  assert.deepEqual(selectFamily(['10.0.0.1'], Family.AUTO), ['10.0.0.1']);
  assert.deepEqual(selectFamily(both, Family.V4_ONLY), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(selectFamily(both, Family.V6_ONLY), ['::1']);
  assert.deepEqual(selectFamily(both, Family.V4_PREFERRED), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(selectFamily(['::1'], Family.V4_PREFERRED), ['::1']);
  assert.deepEqual(selectFamily(both, Family.ALL), both);
});

test('literals and known hosts are answered at once', () => {
  const resolver = systemResolver({ service1: ['127.0.0.2', '127.0.0.3'] }, () => assert.fail('asked'));
  const answers: DnsAnswer[] = [];
  for (const name of ['127.0.0.1', '::1', 'service1']) resolver.resolve(name, Family.AUTO, (a) => answers.push(a));
  assert.deepEqual(
    answers.map((answer) => answer.ok && answer.addresses),
    [['127.0.0.1'], ['::1'], ['127.0.0.2', '127.0.0.3']],
  );
});

test('a question under way is shared; a missing name is an empty answer, other errors are failures', () => {
  const asked: { name: string; family: number; done: (e: NodeJS.ErrnoException | null, a: never[]) => void }[] = [];
  const resolver = systemResolver({}, (name, { family }, done) => asked.push({ name, family, done: done as never }));
  const answers: DnsAnswer[] = [];
  const resolve = (name: string, family: number): void => resolver.resolve(name, family, (a) => answers.push(a));
  resolve('a', Family.AUTO);
  resolve('a', Family.ALL);
  resolve('a', Family.V4_ONLY);
  assert.deepEqual(
    asked.map(({ name, family }) => `${name} ${family}`),
    ['a 0', 'a 4'],
  );
  asked[0].done(null, [{ address: '::1' }, { address: '10.0.0.1' }, { address: '10.0.0.1' }] as never[]);
  asked[1].done(Object.assign(new Error(), { code: 'ENOTFOUND' }), [] as never[]);
  resolve('a', Family.AUTO);
  asked[2].done(Object.assign(new Error(), { code: 'EAI_AGAIN' }), [] as never[]);
  assert.deepEqual(answers, [
    { ok: true, addresses: ['::1'] },
    { ok: true, addresses: ['::1', '10.0.0.1'] },
    { ok: true, addresses: [] },
    { ok: false, reason: 'EAI_AGAIN' },
  ]);
});

test('localhost comes from /etc/hosts', async () => {
  const answer = await new Promise<DnsAnswer>((done) => systemResolver().resolve('localhost', Family.V4_ONLY, done));
  assert.deepEqual(answer, { ok: true, addresses: ['127.0.0.1'] });
});

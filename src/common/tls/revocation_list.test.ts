/** Revocation lists made by openssl, and broken ones. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { TestAuthority } from '../../../test/support/certificates.ts';
import { RevocationLists } from './revocation_list.ts';

let authority: TestAuthority;
before(() => {
  authority = new TestAuthority();
});
after(() => authority.remove());

const day = 24 * 3_600_000;

test('a certificate on the list is revoked, another is not, one of another issuer is not known', () => {
  const good = new X509Certificate(authority.make('good').cert);
  const bad = new X509Certificate(authority.make('bad').cert);
  authority.make('other', { authority: true, issuer: '', subject: '/CN=Other' });
  const stranger = new X509Certificate(authority.make('stranger', { issuer: 'other' }).cert);
  const pem = readFileSync(authority.revoke('bad'), 'utf8');
  const lists = new RevocationLists(pem);
  const now = Date.now();
  assert.equal(lists.problemOf(good, now), undefined);
  assert.equal(lists.problemOf(bad, now)?.code, 'CERT_REVOKED');
  assert.equal(lists.problemOf(stranger, now)?.code, 'UNABLE_TO_GET_CRL');
  assert.equal(lists.problemOf(good, now + 40 * day)?.code, 'CRL_HAS_EXPIRED');
  assert.equal(new RevocationLists(readFileSync(authority.revoke(), 'utf8')).problemOf(bad, now), undefined);
});

test('what is cut short is an error, not a list', () => {
  const pem = readFileSync(authority.revoke(), 'utf8');
  const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
  for (let length = 1; length < der.length; length += 7) {
    const cut = der.subarray(0, length).toString('base64');
    assert.throws(() => new RevocationLists(`-----BEGIN X509 CRL-----\n${cut}\n-----END X509 CRL-----`));
  }
});

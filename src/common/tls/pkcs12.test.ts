import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { openssl, TestAuthority } from '../../../test/support/certificates.ts';
import { readPkcs12 } from './pkcs12.ts';

const authority = new TestAuthority();
const { certFile, keyFile, cert } = authority.make('a', { names: ['DNS:a.test'] });
after(() => authority.remove());

function bundle(password: string, ...options: string[]): Buffer {
  const out = authority.file('a.p12');
  const chain = ['-certfile', authority.file('ca.pem')];
  openssl(
    'pkcs12',
    '-export',
    '-in',
    certFile,
    '-inkey',
    keyFile,
    ...chain,
    '-passout',
    `pass:${password}`,
    '-out',
    out,
    ...options,
  );
  return readFileSync(out);
}

test('key and chain come out whatever they are sealed with', () => {
  const forms: readonly (readonly [string, ...string[]])[] = [
    ['secret'],
    ['pässwörd', '-macalg', 'sha512'],
    [''],
    ['secret', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
    ['secret', '-keypbe', 'aes-128-cbc', '-certpbe', 'NONE'],
    ['secret', '-keypbe', 'NONE', '-certpbe', 'aes-192-cbc', '-nomac'],
  ];
  for (const [password, ...options] of forms) {
    const { certificateChain, privateKey } = readPkcs12(bundle(password, ...options), password);
    const [leaf, issuer] = certificateChain.toString().match(/-----BEGIN[\s\S]*?END CERTIFICATE-----/g) ?? [];
    assert.equal(leaf, cert.trim(), options.join(' '));
    assert.equal(new X509Certificate(issuer).subject, 'CN=Test CA');
    assert.equal(new X509Certificate(leaf).checkPrivateKey(createPrivateKey(privateKey)), true);
  }
});

test('what cannot be read says why', () => {
  const good = bundle('secret');
  assert.throws(() => readPkcs12(good, 'sesame'), /the password is not its password/);
  assert.throws(() => readPkcs12(bundle('secret', '-nomac'), 'sesame'), /the password is not its password/);
  assert.throws(() => readPkcs12(Buffer.from(cert), ''), /no PKCS #12 file/);
  assert.throws(() => readPkcs12(Buffer.alloc(0), ''), /no PKCS #12 file/);
  assert.throws(() => readPkcs12(bundle('secret', '-nokeys'), 'secret'), /no private key/);
  for (let length = 0; length < good.length; length += 7)
    assert.throws(() => readPkcs12(good.subarray(0, length), 'secret'), Error);
});

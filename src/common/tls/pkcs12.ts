/** Reads a PKCS #12 file (RFC 7292): a key and its certificates under one password; Node opens one, but does not tell what is in it. */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  type KeyObject,
  pbkdf2Sync,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import { childrenOf, type Element, elementAt, objectIdentifierAt, tag } from './der.ts';

/** The key and the chain of its certificate, the certificate itself first, in PEM. */
export interface Pkcs12Content {
  readonly privateKey: Buffer;
  readonly certificateChain: Buffer;
}

const contentTypes = { data: '1.2.840.113549.1.7.1', encryptedData: '1.2.840.113549.1.7.6' };
const bags = '1.2.840.113549.1.12.10.1';
const keyBag = `${bags}.1`;
const shroudedKeyBag = `${bags}.2`;
const certificateBag = `${bags}.3`;
const pbes2 = '1.2.840.113549.1.5.13';
const tripleDesOfSha1 = '1.2.840.113549.1.12.1.3';

const hashes: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const prfs: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const ciphers: Readonly<Record<string, readonly [name: string, keyLength: number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
  '1.2.840.113549.3.7': ['des-ede3-cbc', 24],
};
/** Files ask for some thousands; one that asks for more than this is there to keep us busy. */
const mostIterations = 10_000_000;

/** What `KDF` of RFC 7292 appendix B makes. */
const Purpose = { Key: 1, Iv: 2, Mac: 3 } as const;

/** Throws an Error that says what is wrong: the password, the form, or an algorithm that is not known here. */
export function readPkcs12(file: Buffer, password: string): Pkcs12Content {
  try {
    return new Reader(file, password).read();
  } catch (error) {
    throw error instanceof RangeError ? new Error('it is no PKCS #12 file in DER') : error;
  }
}

class Reader {
  private readonly file: Buffer;
  private readonly password: string;
  private readonly certificates: X509Certificate[] = [];
  private key: KeyObject | undefined;

  constructor(file: Buffer, password: string) {
    this.file = file;
    this.password = password;
  }

  read(): Pkcs12Content {
    const [version, authSafe, mac] = sequence(this.file, elementAt(this.file, 0));
    if (version?.tag !== tag.integer || authSafe?.tag !== tag.sequence) throw new RangeError('no PFX');
    const safes = contentOf(this.file, authSafe);
    if (mac !== undefined) this.checkMac(safes, mac);
    for (const safe of sequence(safes, elementAt(safes, 0))) this.readSafe(safes, safe);
    const { key, certificates } = this;
    if (key === undefined) throw new Error('there is no private key in it');
    const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
    if (leaf === undefined) throw new Error('there is no certificate of its key in it');
    const chain = [leaf, ...certificates.filter((certificate) => certificate !== leaf)];
    return {
      privateKey: Buffer.from(key.export({ type: 'pkcs8', format: 'pem' })),
      certificateChain: Buffer.from(chain.map(String).join('')),
    };
  }

  private checkMac(content: Buffer, mac: Element): void {
    const { file } = this;
    const [info, salt, iterations] = sequence(file, mac);
    const [algorithm, digest] = sequence(file, info);
    const id = objectIdentifierAt(file, sequence(file, algorithm)[0]);
    const hash = hashes[id];
    if (hash === undefined) throw new Error(`its MAC (${id}) is not one that is known here`);
    const rounds = iterations === undefined ? 1 : integer(file, iterations);
    const expected = bytes(file, digest);
    const made = createHmac(hash, derive(hash, this.password, bytes(file, salt), rounds, Purpose.Mac, expected.length));
    if (!timingSafeEqual(made.update(content).digest(), expected)) throw new Error('the password is not its password');
  }

  /** A ContentInfo: bags in clear, or encrypted. */
  private readSafe(der: Buffer, info: Element): void {
    const [type, wrapped] = sequence(der, info);
    const id = objectIdentifierAt(der, type);
    if (id === contentTypes.data) {
      this.readBags(contentOf(der, info));
    } else if (id === contentTypes.encryptedData) {
      const [, encrypted] = sequence(der, elementAt(der, wrapped.start));
      const [, algorithm, content] = sequence(der, encrypted);
      this.readBags(this.decrypt(der, algorithm, bytes(der, content)));
    }
  }

  private readBags(der: Buffer): void {
    for (const bag of sequence(der, elementAt(der, 0))) {
      const [type, wrapped] = sequence(der, bag);
      const value = elementAt(der, wrapped.start);
      const whole = der.subarray(value.at, value.end);
      switch (objectIdentifierAt(der, type)) {
        case keyBag:
          this.key ??= createPrivateKey({ key: whole, format: 'der', type: 'pkcs8' });
          break;
        case shroudedKeyBag: {
          const [algorithm, content] = sequence(der, value);
          const key = this.decrypt(der, algorithm, bytes(der, content));
          this.key ??= createPrivateKey({ key, format: 'der', type: 'pkcs8' });
          break;
        }
        case certificateBag: {
          const [, inner] = sequence(der, value);
          this.certificates.push(new X509Certificate(bytes(der, elementAt(der, inner.start))));
        }
      }
    }
  }

  private decrypt(der: Buffer, algorithm: Element, content: Buffer): Buffer {
    const [type, parameters] = sequence(der, algorithm);
    const id = objectIdentifierAt(der, type);
    if (id === pbes2) return this.decryptPbes2(der, parameters, content);
    if (id !== tripleDesOfSha1) throw new Error(`it is encrypted in a way (${id}) that is not known here`);
    const [salt, iterations] = sequence(der, parameters);
    const make = (purpose: number, length: number) =>
      derive('sha1', this.password, bytes(der, salt), integer(der, iterations), purpose, length);
    return decipher('des-ede3-cbc', make(Purpose.Key, 24), make(Purpose.Iv, 8), content);
  }

  /** RFC 8018 section 6.2. */
  private decryptPbes2(der: Buffer, parameters: Element, content: Buffer): Buffer {
    const [derivation, encryption] = sequence(der, parameters);
    const [cipherType, iv] = sequence(der, encryption);
    const cipherId = objectIdentifierAt(der, cipherType);
    const cipher = ciphers[cipherId];
    if (cipher === undefined) throw new Error(`it is encrypted in a way (${cipherId}) that is not known here`);
    const [, given] = sequence(der, derivation);
    const [salt, iterations, ...rest] = sequence(der, given);
    const prf = rest.find((element) => element.tag === tag.sequence);
    const prfId = prf === undefined ? '' : objectIdentifierAt(der, sequence(der, prf)[0]);
    const hash = prf === undefined ? 'sha1' : prfs[prfId];
    if (hash === undefined) throw new Error(`it is encrypted in a way (${prfId}) that is not known here`);
    const key = pbkdf2Sync(this.password, bytes(der, salt), integer(der, iterations), cipher[1], hash);
    return decipher(cipher[0], key, bytes(der, iv), content);
  }
}

function decipher(name: string, key: Buffer, iv: Buffer, content: Buffer): Buffer {
  const cipher = createDecipheriv(name, key, iv);
  try {
    return Buffer.concat([cipher.update(content), cipher.final()]);
  } catch {
    throw new Error('the password is not its password');
  }
}

/** RFC 7292 appendix B.2. */
function derive(hash: string, password: string, salt: Buffer, rounds: number, purpose: number, length: number): Buffer {
  const block = hash === 'sha1' || hash === 'sha256' ? 64 : 128;
  const secret = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const input = Buffer.concat([filled(salt, block), filled(secret, block)]);
  const diversifier = Buffer.alloc(block, purpose);
  const made: Buffer[] = [];
  for (let have = 0; have < length; ) {
    let digest = createHash(hash).update(diversifier).update(input).digest();
    for (let round = 1; round < rounds; round++) digest = createHash(hash).update(digest).digest();
    made.push(digest);
    have += digest.length;
    const addend = filled(digest, block).subarray(0, block);
    for (let at = 0; at < input.length; at += block) addOneMore(input.subarray(at, at + block), addend);
  }
  return Buffer.concat(made).subarray(0, length);
}

/** Repeated up to a multiple of `block`. */
function filled(bytes: Buffer, block: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes);
}

/** target + addend + 1, modulo its size. */
function addOneMore(target: Buffer, addend: Buffer): void {
  let carry = 1;
  for (let i = target.length - 1; i >= 0; i--) {
    carry += target[i] + addend[i];
    target[i] = carry & 0xff;
    carry >>= 8;
  }
}

function sequence(der: Buffer, element: Element | undefined): Element[] {
  if (element === undefined) throw new RangeError('something is missing');
  return childrenOf(der, element);
}

/** The octets in a ContentInfo of the type `data`. */
function contentOf(der: Buffer, info: Element): Buffer {
  const [type, wrapped] = sequence(der, info);
  if (objectIdentifierAt(der, type) !== contentTypes.data || wrapped === undefined) throw new RangeError('no data');
  return bytes(der, elementAt(der, wrapped.start));
}

function bytes(der: Buffer, element: Element | undefined): Buffer {
  if (element === undefined) throw new RangeError('something is missing');
  return der.subarray(element.start, element.end);
}

function integer(der: Buffer, element: Element | undefined): number {
  const value = bytes(der, element);
  if (value.length > 6) throw new RangeError('too large a number');
  const number = value.length === 0 ? 0 : value.readUIntBE(0, value.length);
  if (number > mostIterations) throw new Error(`its key takes ${number} rounds to make, more than ${mostIterations}`);
  return number;
}

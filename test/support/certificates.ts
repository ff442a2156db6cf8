/** A certificate authority for one test: makes keys and certificates with the openssl command, in a folder of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface CertificateOptions {
  /** Default: the first DNS name, or the name. */
  subject?: string;
  /** As openssl writes them: `DNS:a.test`, `URI:spiffe://a`, `IP:127.0.0.1`. */
  names?: string[];
  key?: 'ec' | 'rsa';
  /** By another authority of the same folder. */
  issuer?: string;
  /** An authority itself. */
  authority?: boolean;
  /** Days from now; negative: expired that long ago. */
  days?: number;
}

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export class TestAuthority {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'nuncio-ca-'));

  constructor() {
    this.make('ca', { subject: '/CN=Test CA', authority: true, issuer: '' });
  }

  /** PEM of an authority of this folder. */
  get ca(): string {
    return readFileSync(this.file('ca.pem'), 'utf8');
  }

  file(name: string): string {
    return path.join(this.dir, name);
  }

  /** Makes `<name>.pem` and `<name>.key`. */
  make(name: string, options: CertificateOptions = {}): Certificate {
    const { names = [], key = 'ec', issuer = 'ca', authority = false, days = 30 } = options;
    const first = names.find((each) => each.startsWith('DNS:'))?.slice(4) ?? name;
    const keyFile = this.file(`${name}.key`);
    const certFile = this.file(`${name}.pem`);
    if (key === 'rsa') openssl('genrsa', '-out', keyFile, '2048');
    else openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile);
    const config = this.file(`${name}.cnf`);
    const extensions = [
      ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
      `basicConstraints=critical,CA:${authority ? 'TRUE' : 'FALSE'}`,
      authority
        ? 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'
        : 'keyUsage=digitalSignature,keyEncipherment',
      'subjectKeyIdentifier=hash',
    ];
    writeFileSync(config, `[req]\ndistinguished_name=dn\n[dn]\n[ext]\n${extensions.join('\n')}\n`);
    const subject = options.subject ?? `/CN=${first}`;
    const issuerName = issuer === '' ? name : issuer;
    const request = this.file(`${name}.csr`);
    openssl('req', '-new', '-key', keyFile, '-subj', subject, '-config', config, '-out', request);
    const signer =
      issuer === ''
        ? ['-key', keyFile]
        : ['-CA', this.file(`${issuerName}.pem`), '-CAkey', this.file(`${issuerName}.key`)];
    const serial = `0x${Date.now().toString(16)}${Math.floor(Math.random() * 0xffff).toString(16)}`;
    openssl(
      ...['x509', '-req', '-in', request, ...(issuer === '' ? ['-signkey', keyFile] : signer)],
      ...['-set_serial', serial, '-days', String(days), '-extfile', config, '-extensions', 'ext', '-out', certFile],
    );
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  /** A revocation list of the authority, with these certificates on it. */
  revoke(...names: string[]): string {
    const database = this.file('index.txt');
    const lines = names.map((name) => {
      const serial = openssl('x509', '-in', this.file(`${name}.pem`), '-noout', '-serial')
        .trim()
        .split('=')[1];
      return `R\t391231235959Z\t240101000000Z\t${serial}\tunknown\t/CN=${name}\n`;
    });
    writeFileSync(database, lines.join(''));
    writeFileSync(this.file('crlnumber'), '01\n');
    const config = this.file('ca.cnf.crl');
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${database}\ncrlnumber=${this.file('crlnumber')}\ndefault_md=sha256\ndefault_crl_days=30\n`,
    );
    const out = this.file('crl.pem');
    openssl(
      'ca',
      '-gencrl',
      '-config',
      config,
      '-cert',
      this.file('ca.pem'),
      '-keyfile',
      this.file('ca.key'),
      '-out',
      out,
    );
    return out;
  }

  /** An OCSP response about a certificate, in DER. */
  ocspResponse(name: string): string {
    writeFileSync(this.file('index.txt'), '');
    const out = this.file(`${name}.ocsp`);
    const ca = ['-CA', this.file('ca.pem'), '-issuer', this.file('ca.pem'), '-cert', this.file(`${name}.pem`)];
    const signer = ['-rsigner', this.file('ca.pem'), '-rkey', this.file('ca.key'), '-ndays', '7'];
    openssl('ocsp', '-index', this.file('index.txt'), ...ca, ...signer, '-respout', out);
    return out;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** What of a TLS session only its ASN.1 form tells (OpenSSL's SSL_SESSION_ASN1): its id and the group of its key exchange. */
import { childrenOf, type Element, elementAt, tag } from '../../common/tls/der.ts';

/** Members behind version, protocol and suite; `kex_group` is [19]. */
const idMember = 3;
const groupTag = 0xb3;

/** In hex; empty when there is none. */
export function sessionIdOf(session: Buffer | undefined): string {
  const der = derOf(session);
  const id = der === undefined ? undefined : membersOf(der)[idMember];
  return der === undefined || id?.tag !== tag.octetString ? '' : der.toString('hex', id.start, id.end);
}

/** As TLS names it (RFC 8446 section 4.2.7, BoringSSL's spelling); empty when unknown. */
export function sessionGroupOf(session: Buffer | undefined): string {
  const der = derOf(session);
  const member = der === undefined ? undefined : membersOf(der).find((element) => element.tag === groupTag);
  if (der === undefined || member === undefined) return '';
  const number = elementAt(der, member.start);
  return groupNames[Number.parseInt(der.toString('hex', number.start, number.end), 16)] ?? '';
}

const groupNames: Readonly<Record<number, string>> = {
  23: 'P-256',
  24: 'P-384',
  25: 'P-521',
  29: 'X25519',
  4588: 'X25519MLKEM768',
};

/** Node writes the name of the host in front of a client's session: the marker, two bytes of length, the name. */
const marker = Buffer.from('\0node:tls:session:1\0', 'latin1');

function derOf(session: Buffer | undefined): Buffer | undefined {
  if (session === undefined || session.length < 2) return undefined;
  const isMarked = session.subarray(0, marker.length).equals(marker) && session.length > marker.length + 2;
  const der = isMarked ? session.subarray(marker.length + 2 + session.readUInt16BE(marker.length)) : session;
  return der[0] === tag.sequence ? der : undefined;
}

function membersOf(der: Buffer): Element[] {
  try {
    return childrenOf(der, elementAt(der, 0));
  } catch {
    return []; // not the form that is known
  }
}

/** The otherName entries of a certificate's subject alternative names (RFC 5280 section 4.2.1.6): Node shows some kinds only. */
import { childrenOf, type Element, elementAt, objectIdentifierAt, tag } from './der.ts';

const subjectAltName = Buffer.from('551d11', 'hex');
const extensions = 0xa3;

/** Their values as Envoy prints them; those of the same certificate stay in its order. */
export function otherNames(certificate: Buffer): string[] {
  try {
    const names = alternativeNames(certificate);
    return names.filter((name) => name.tag === tag.context0).map((name) => otherName(certificate, name));
  } catch {
    return []; // RangeError: no certificate, or a broken extension
  }
}

/** The values of those of one type, given in dotted form. */
export function otherNamesOfType(certificate: Buffer, oid: string): string[] {
  try {
    return alternativeNames(certificate)
      .filter((name) => name.tag === tag.context0 && typeOf(certificate, name) === oid)
      .map((name) => otherName(certificate, name));
  } catch {
    return [];
  }
}

function typeOf(der: Buffer, name: Element): string {
  const [type] = childrenOf(der, name);
  return objectIdentifierAt(der, type);
}

function alternativeNames(der: Buffer): Element[] {
  const [body] = childrenOf(der, elementAt(der, 0));
  const wrapped = childrenOf(der, body).find((part) => part.tag === extensions);
  if (wrapped === undefined) return [];
  for (const extension of childrenOf(der, elementAt(der, wrapped.start))) {
    const [id, ...rest] = childrenOf(der, extension);
    if (!der.subarray(id.start, id.end).equals(subjectAltName)) continue;
    return childrenOf(der, elementAt(der, rest.at(-1)!.start));
  }
  return [];
}

/** Type-id, then the value in [0]. */
function otherName(der: Buffer, name: Element): string {
  const [, wrapped] = childrenOf(der, name);
  const value = elementAt(der, wrapped.start);
  const content = der.subarray(value.start, value.end);
  switch (value.tag) {
    case 0x01:
      return content[0] === 0 ? 'false' : 'true';
    case tag.integer:
    case 0x0a:
      return String(BigInt.asIntN(content.length * 8, BigInt(`0x${content.toString('hex')}`)));
    case 0x03:
      return content.toString('utf8', 1); // behind the count of unused bits
    case 0x05:
      return '';
    case 0x06:
      return objectIdentifierAt(der, value);
    case 0x1c:
      return Buffer.from(content).swap32().toString('latin1').replaceAll('\0', '');
    case 0x1e:
      return Buffer.from(content).swap16().toString('utf16le');
    case tag.sequence:
    case 0x31:
      return der.toString('utf8', value.at, value.end);
    default:
      return content.toString('utf8');
  }
}

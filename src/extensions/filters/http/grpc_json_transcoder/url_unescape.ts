/** Percent decoding of paths and queries (RFC 3986 section 2.1), to text, with characters that may be left as they came. */

/** Whether the character of this escape is to stay escaped. */
export type Unescape = (byte: number) => boolean;

/** RFC 6570 section 1.5, "reserved". */
const reservedBytes = new Set(Buffer.from(":/?#[]@!$&'()*+,;="));

export const everyCharacter: Unescape = () => false;
export const exceptReserved: Unescape = (byte) => reservedBytes.has(byte);
export const exceptSlash: Unescape = (byte) => byte === 0x2f;

/** `wire` has one char a byte, the result is text. */
export function unescapeUrl(wire: string, stays: Unescape, plusIsBlank: boolean): string {
  const plain = plusIsBlank ? wire.replaceAll('+', ' ') : wire;
  const bytes = plain.replace(/%([0-9a-fA-F]{2})/g, (escape, hex: string) => {
    const byte = Number.parseInt(hex, 16);
    return stays(byte) ? escape : String.fromCharCode(byte);
  });
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

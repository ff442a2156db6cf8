/** Byte classes of HTTP/1 messages (RFC 9110 section 5.5, RFC 9112) as tables for the scanners. */

export const HTAB = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const COLON = 58;
export const SEMICOLON = 59;

function tableOf(allowed: (byte: number) => boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = allowed(byte) ? 1 : 0;
  return table;
}

/** Field values, reason phrases and chunk extensions: visible characters, SP, HTAB and obs-text. */
export const VALUE_BYTE: Uint8Array = tableOf((byte) => byte === HTAB || (byte >= SP && byte !== 127));

/** Request targets: visible ASCII. Envoy takes HTAB and FF too; no client needs them. */
export const TARGET_BYTE: Uint8Array = tableOf((byte) => byte > SP && byte < 127);

/**
 * What Envoy lets a Host hold (letters, digits and these), without the comma: a list of hosts is not a host.
 * So `/ ? # < \\ space` and high bytes are out, userinfo, ports and brackets are in.
 */
export const AUTHORITY_BYTE: Uint8Array = tableOf((byte) =>
  /[A-Za-z0-9!$%&'()*+\-.:;=@[\]_~]/.test(String.fromCharCode(byte)),
);

/** Value of a hexadecimal digit, 255 for every other byte. */
export const HEX_VALUE: Uint8Array = makeHexTable();

function makeHexTable(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit++) {
    const char = digit.toString(16);
    table[char.charCodeAt(0)] = digit;
    table[char.toUpperCase().charCodeAt(0)] = digit;
  }
  return table;
}

/** Text of the configuration as the wire carries it: one char a byte, like all header values and paths on the data path. */

/** UTF-8 bytes as chars 0 to 255; ASCII text stays the same string. */
export function toWire(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** The text that wire text stands for. */
export function fromWire(wire: string): string {
  return /[\x80-\xff]/.test(wire) ? Buffer.from(wire, 'latin1').toString('utf8') : wire;
}

/** Lower case for A to Z only: other bytes are parts of UTF-8 characters and stay. */
export function asciiLowerCase(text: string): string {
  const lower = text.toLowerCase();
  if (lower === text || !/[^\0-\x7f]/.test(text)) return lower;
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

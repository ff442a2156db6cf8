/** IPv6 addresses between text and their 16 bytes (RFC 4291 section 2.2, RFC 5952). */

/** The 16 bytes of an address without a zone; undefined when the text is none. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const before = groups(halves[0]);
  const after = halves.length === 2 ? groups(halves[1]) : [];
  if (before === undefined || after === undefined) return undefined;
  const missing = 16 - before.length - after.length;
  // `::` stands for at least one group (RFC 4291 section 2.2).
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(before, 0);
  bytes.set(after, 16 - after.length);
  return bytes;
}

/** As inet_ntop prints it: lower case, the longest run of zero groups left out, an IPv4 address that is mapped dotted. */
export function formatIpv6(bytes: Uint8Array, start = 0): string {
  const words: number[] = [];
  for (let i = 0; i < 8; i++) words.push((bytes[start + 2 * i] << 8) | bytes[start + 2 * i + 1]);
  const run = longestZeroRun(words);
  const mapped = run.start === 0 && (run.length === 6 || (run.length === 5 && words[5] === 0xffff));
  const parts = words.slice(0, mapped ? 6 : 8).map((word) => word.toString(16));
  if (mapped) parts.push(`${words[6] >> 8}.${words[6] & 255}.${words[7] >> 8}.${words[7] & 255}`);
  if (run.length < 2) return parts.join(':');
  return `${parts.slice(0, run.start).join(':')}::${parts.slice(run.start + run.length).join(':')}`;
}

/** The four bytes of a dotted address; undefined when the text is none. */
export function parseIpv4(text: string): readonly number[] | undefined {
  if (!/^(?:\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  const valid = bytes.every((byte, i) => byte <= 255 && String(byte) === text.split('.')[i]);
  return valid ? bytes : undefined;
}

function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    if (i === parts.length - 1 && parts[i].includes('.')) {
      const quad = parseIpv4(parts[i]);
      if (quad === undefined) return undefined;
      bytes.push(...quad);
    } else if (/^[\da-f]{1,4}$/i.test(parts[i])) {
      const word = Number.parseInt(parts[i], 16);
      bytes.push(word >> 8, word & 255);
    } else return undefined;
  }
  return bytes.length > 16 ? undefined : bytes;
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && words[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
    i = end + 1;
  }
  return best;
}

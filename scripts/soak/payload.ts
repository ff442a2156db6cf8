/** Bodies that both ends know: a part of one pattern, named by where it begins and how long it is. */
import type { Random } from '../../test/support/random.ts';

const longest = 512 * 1024;
const starts = 65_520;
const pattern: Buffer = Buffer.alloc(longest + starts);
for (let i = 0; i < pattern.length; i += 4) pattern.writeUInt32LE(Math.imul(i + 1, 0x9e3779b1) >>> 0, i);

export interface Payload {
  readonly start: number;
  readonly size: number;
}

/** Mostly small, some larger than a read, a few larger than every window. */
export function anyPayload(random: Random): Payload {
  const size = random.chance(0.8) ? random.int(2000) : random.chance(0.9) ? random.int(40_000) : random.int(longest);
  return { start: random.int(starts), size };
}

export function bytesOf({ start, size }: Payload): Buffer {
  return pattern.subarray(start, start + Math.min(size, longest));
}

/** The path that asks an upstream for it. */
export function pathOf({ start, size }: Payload): string {
  return `${start}/${size}`;
}

/** Of a path that ends as `pathOf` says. */
export function payloadOfPath(path: string): Payload {
  const [start, size] = path.split('/').slice(-2).map(Number);
  return { start: start % starts, size };
}

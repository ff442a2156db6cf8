/** What the scanners of start lines and fields answer in place of a position, and why a refusal waits for its line. */
import type { Bytes } from '../bytes/bytes.ts';
import { LF } from './characters.ts';

/** The line is not whole yet. */
export const NEED_MORE = -1;
/** The line is wrong; the scanner's `error` says why. */
export const REFUSED = -2;

/** A line is judged once it is whole, so that the verdict does not depend on how the bytes were cut into reads. */
export function lineIsWhole(bytes: Bytes, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === LF) return true;
  return false;
}

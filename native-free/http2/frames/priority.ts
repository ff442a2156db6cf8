/** PRIORITY (RFC 9113 section 6.3): deprecated; only a stream that depends on itself matters. */
import { readUint31 } from './frame.ts';

export const PRIORITY_LENGTH = 5;

/** The stream this one depends on. */
export function readPriorityDependency(bytes: Uint8Array, start: number): number {
  return readUint31(bytes, start);
}

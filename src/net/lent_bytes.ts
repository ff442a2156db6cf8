/** Whose the bytes of the present `onData` call are: what a connection writes of them may leave without a copy. */
import type { ReadLease } from './read_buffers.ts';

/** The lease they lie in; undefined when they lie in the shared buffer. */
let lease: ReadLease | undefined;
/** Bytes that nobody else will write to. */
let ownBytes: Buffer | undefined;

/** Called before the bytes are delivered, and with undefined behind that. */
export function lendLease(present: ReadLease | undefined): void {
  lease = present;
}

/** Called before bytes that are never written to again are delivered, and with undefined behind that. */
export function lendOwnBytes(present: Buffer | undefined): void {
  ownBytes = present;
}

/** True when the bytes are never written to again. */
export function areOwn(bytes: Buffer): boolean {
  return bytes === ownBytes;
}

/** True when the bytes lie where nobody writes until they have left. */
export function arePrivate(bytes: Buffer): boolean {
  return bytes === ownBytes || (lease !== undefined && lease.buffer === bytes);
}

/** The lease they lie in, pinned: its buffer is not used again until it is unpinned. */
export function pinLease(bytes: Buffer): ReadLease | undefined {
  if (lease === undefined || lease.buffer !== bytes) return undefined;
  lease.pins++;
  return lease;
}

/** Tells contents apart by their hash: what is the same need not be looked at again. Not for secrets. */
import { hash } from 'node:crypto';

export function contentHash(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'latin1');
}

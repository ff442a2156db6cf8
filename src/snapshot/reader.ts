/** Step 4 of the control path, worker: the message in a published resource. */
import { decode } from '../api/registry.ts';
import type { ResourceEntry } from './layout.ts';

/** Decodes from a copy: protobuf strings cannot be decoded out of shared memory. */
export function readResource(entry: ResourceEntry): unknown {
  return decode(entry.type, new Uint8Array(entry.bytes));
}

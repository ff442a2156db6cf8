/**
 * Step 4 of the control path, both sides: a generation as one block of shared memory with an index in it, so that a worker
 * takes a push of thousands of resources bit by bit. As a message of as many objects it would stop a worker while it arrives.
 */
import type { ResourceEntry, SnapshotDelta } from './layout.ts';

export interface PackedSnapshot {
  readonly generation: number;
  readonly removed: SnapshotDelta['removed'];
  readonly types: readonly string[];
  /** Entries of `SnapshotDelta.changed`, one after the other. */
  readonly storage: SharedArrayBuffer;
}

/** Words of an entry before its host slots: type, slot, and the lengths of host slots, name, hash and bytes. */
const headWords = 6;

export function packSnapshot({ generation, removed, changed }: SnapshotDelta): PackedSnapshot {
  let size = 0;
  for (const entry of changed) size += sizeOf(entry);
  const storage = new SharedArrayBuffer(size);
  const bytes = Buffer.from(storage);
  const words = new Uint32Array(storage);
  const types: string[] = [];
  let offset = 0;
  for (const entry of changed) {
    let type = types.indexOf(entry.type);
    if (type < 0) type = types.push(entry.type) - 1;
    const { slot, hostSlots, name, hash } = entry;
    const nameLength = Buffer.byteLength(name);
    words.set([type, slot, hostSlots.length, nameLength, hash.length, entry.bytes.length], offset / 4);
    words.set(hostSlots, offset / 4 + headWords);
    const at = offset + 4 * (headWords + hostSlots.length);
    bytes.write(name, at, 'utf8');
    bytes.write(hash, at + nameLength, 'latin1');
    bytes.set(entry.bytes, at + nameLength + hash.length);
    offset += sizeOf(entry);
  }
  return { generation, removed, types, storage };
}

/** The entries in their order; their bytes stay in shared memory. */
export function* unpackSnapshot({ storage, types }: PackedSnapshot): Generator<ResourceEntry> {
  const bytes = Buffer.from(storage);
  const words = new Uint32Array(storage);
  for (let offset = 0; offset < bytes.length; ) {
    const [type, slot, hosts, nameLength, hashLength, length] = words.subarray(offset / 4, offset / 4 + headWords);
    const at = offset + 4 * (headWords + hosts);
    const body = at + nameLength + hashLength;
    const entry: ResourceEntry = {
      type: types[type],
      slot,
      hostSlots: [...words.subarray(offset / 4 + headWords, at / 4)],
      name: bytes.toString('utf8', at, at + nameLength),
      hash: bytes.toString('latin1', at + nameLength, body),
      bytes: bytes.subarray(body, body + length),
    };
    yield entry;
    offset += sizeOf(entry, nameLength);
  }
}

/** Bytes, in whole words. */
function sizeOf({ hostSlots, name, hash, bytes }: ResourceEntry, nameLength = Buffer.byteLength(name)): number {
  return 4 * (headWords + hostSlots.length + Math.ceil((nameLength + hash.length + bytes.length) / 4));
}

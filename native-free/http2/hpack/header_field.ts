/** One decoded field as the HPACK tables hold it, and who is told of fields while a block is decoded. */
import type { HeaderName } from '../../headers/header_name.ts';

/** RFC 7541 section 4.1: what an entry counts beside the bytes of its name and value. */
export const ENTRY_OVERHEAD = 32;

export interface HeaderField {
  /** Replaced when code or configuration comes to know the name. */
  name: HeaderName;
  readonly value: string;
  /** Bytes of name and value and ENTRY_OVERHEAD. */
  readonly size: number;
  /** FieldRole and FieldFlag; NeverIndexed is never part of a table entry. */
  readonly kind: number;
}

/**
 * Told of every field of a block in order, also of those that no message may hold: the decoder cannot stop, its table
 * must go on in step with the peer's. So an implementation stores nothing beyond its limits and judges by `kind` and `size`.
 */
export interface HeaderSink {
  field(name: HeaderName, value: string, kind: number, size: number): void;
}

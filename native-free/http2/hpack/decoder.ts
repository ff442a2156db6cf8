/** Reads header blocks (RFC 7541): bytes in, fields out, with the table that the peer's encoder steers. */
import type { Bytes } from '../../bytes/bytes.ts';
import { DecoderTable } from './decoder_table.ts';
import { FieldFlag, NAME_MASK } from './field_kind.ts';
import { ENTRY_OVERHEAD, type HeaderField, type HeaderSink } from './header_field.ts';
import { STATIC_COUNT, STATIC_TABLE } from './static_table.ts';
import { StringReader } from './string_reader.ts';

/** RFC 9113 section 6.5.2: what a peer goes by before it has seen our SETTINGS. */
const INITIAL_TABLE_SIZE = 4096;

/** One for the thread: decoding a block is never interrupted. */
const reader = new StringReader();

export class HpackDecoder {
  private readonly tableSize: number;
  private readonly mostBytes: number;
  private readonly table = new DecoderTable(INITIAL_TABLE_SIZE);
  /** The largest size the peer may choose at present. */
  private limit: number;

  /** `mostBytes` of a name or value; nghttp2's limit unless given. `tableSize`: bytes, our SETTINGS_HEADER_TABLE_SIZE. Until `settingsAcknowledged` the peer may also use the 4096 of before. */
  constructor(tableSize: number, mostBytes = 65_536) {
    this.tableSize = tableSize;
    this.mostBytes = mostBytes;
    this.limit = Math.max(tableSize, INITIAL_TABLE_SIZE);
  }

  /** The peer knows our table size: a larger table is an error, and so is a next block that does not shrink it (section 4.2). */
  settingsAcknowledged(): void {
    this.limit = this.tableSize;
  }

  /**
   * One whole block, [start, end). False: COMPRESSION_ERROR (RFC 9113 section 4.3), the connection is lost. Never throws,
   * unless `sink` does. The work is linear in the block's bytes, whatever the fields decode to; the caller bounds the block.
   */
  decode(bytes: Bytes, start: number, end: number, sink: HeaderSink): boolean {
    this.table.refreshNames();
    reader.begin(bytes, start, end, this.mostBytes);
    const decoded = this.readSizeUpdates(bytes, end) && this.readFields(bytes, end, sink);
    reader.finish();
    return decoded;
  }

  /** Section 4.2: at the beginning of a block only, the smallest and the final size. */
  private readSizeUpdates(bytes: Bytes, end: number): boolean {
    for (let updates = 0; reader.pos < end && bytes[reader.pos] >>> 5 === 1; updates++) {
      if (updates === 2 || !reader.integer(0x1f) || reader.value > this.limit) return false;
      this.table.resize(reader.value);
    }
    return this.table.maxSize <= this.limit;
  }

  private readFields(bytes: Bytes, end: number, sink: HeaderSink): boolean {
    while (reader.pos < end) {
      const first = bytes[reader.pos];
      if (first < 0x80) {
        if (!this.readLiteral(first, sink)) return false;
        continue;
      }
      if (first !== 0xff) reader.pos++;
      else if (!reader.integer(0x7f)) return false;
      const field = this.fieldAt(first !== 0xff ? first & 0x7f : reader.value);
      if (field === undefined) return false;
      sink.field(field.name, field.value, field.kind, field.size);
    }
    return true;
  }

  /** Section 6.2: to be indexed (01), not indexed (0000) or never indexed (0001). */
  private readLiteral(first: number, sink: HeaderSink): boolean {
    const index = first >= 0x40;
    if (!index && first >= 0x20) return false;
    if (!reader.integer(index ? 0x3f : 0x0f)) return false;
    let { name, nameLength, nameKind } = reader;
    if (reader.value === 0) {
      if (!reader.readName()) return false;
      ({ name, nameLength, nameKind } = reader);
    } else {
      const field = this.fieldAt(reader.value);
      if (field === undefined) return false;
      name = field.name;
      nameLength = field.size - field.value.length - ENTRY_OVERHEAD;
      nameKind = field.kind & NAME_MASK;
    }
    if (!reader.readValue()) return false;
    const value = reader.text;
    const kind = nameKind | reader.textKind;
    const size = nameLength + value.length + ENTRY_OVERHEAD;
    if (index) this.table.add({ name, value, size, kind });
    sink.field(name, value, first >= 0x10 && !index ? kind | FieldFlag.NeverIndexed : kind, size);
    return true;
  }

  private fieldAt(index: number): HeaderField | undefined {
    return index <= STATIC_COUNT ? STATIC_TABLE[index] : this.table.at(index - STATIC_COUNT - 1);
  }
}

/** What the encoder knows to be in the peer's table: entries by age for eviction, and the newest of each name for look-up. */
import type { HeaderName } from '../../headers/header_name.ts';
import { ENTRY_OVERHEAD } from './header_field.ts';

export interface EncoderEntry {
  readonly name: HeaderName;
  readonly value: string;
  readonly size: number;
  /** The entry is the how-manieth ever added; its index is counted from the newest. */
  readonly number: number;
  /** How many times in a row the name came with another value than the newest. */
  misses: number;
}

export class EncoderTable {
  maxSize: number;
  /** Entries ever added. */
  added = 0;
  /** Holds no name without an entry, so it is bounded by the table. */
  private readonly newest = new Map<HeaderName, EncoderEntry>();
  /** Oldest first; the first `gone` are evicted. */
  private entries: EncoderEntry[] = [];
  private gone = 0;
  private size = 0;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  find(name: HeaderName): EncoderEntry | undefined {
    return this.newest.get(name);
  }

  /** `value` must not be a part of a larger text, which would be held with it. */
  add(name: HeaderName, value: string, misses: number): void {
    const size = name.text.length + value.length + ENTRY_OVERHEAD;
    this.evictTo(this.maxSize - size);
    const entry: EncoderEntry = { name, value, size, number: ++this.added, misses };
    this.entries.push(entry);
    this.newest.set(name, entry);
    this.size += size;
  }

  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.evictTo(maxSize);
  }

  private evictTo(size: number): void {
    while (this.size > size && this.gone < this.entries.length) {
      const entry = this.entries[this.gone++];
      this.size -= entry.size;
      if (this.newest.get(entry.name) === entry) this.newest.delete(entry.name);
    }
    // The evicted ones are cut off when they are the larger half: each entry is moved once at most on average.
    if (this.gone > 16 && this.gone * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.gone);
      this.gone = 0;
    }
  }
}

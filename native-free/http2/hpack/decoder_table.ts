/** The dynamic table of a decoder (RFC 7541 section 2.3.2): a ring of entries, the newest at 0. */
import { findHeaderName, generation } from '../../headers/header_name.ts';
import type { HeaderField } from './header_field.ts';

const FIRST_SLOTS = 8;

export class DecoderTable {
  /** Bytes the entries may have together. */
  maxSize: number;
  private size = 0;
  private count = 0;
  /** Slot of the next entry. */
  private head = 0;
  /** A power of two of slots: an idle connection that has used few holds few. */
  private slots: (HeaderField | undefined)[] = [];
  /** `generation` at which the names were last looked at. */
  private checked = generation;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  at(index: number): HeaderField | undefined {
    if (index >= this.count) return undefined;
    const { slots } = this;
    return slots[(this.head - 1 - index) & (slots.length - 1)];
  }

  /** Section 4.4: room is made first; a field larger than the table leaves it empty. */
  add(field: HeaderField): void {
    this.evictTo(this.maxSize - field.size);
    if (field.size > this.maxSize) return;
    if (this.count === this.slots.length) this.grow();
    this.slots[this.head] = field;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count++;
    this.size += field.size;
  }

  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.evictTo(maxSize);
  }

  /** Names that code or configuration has come to know since must be found by identity. */
  refreshNames(): void {
    if (this.checked === generation) return;
    this.checked = generation;
    for (let i = 0; i < this.count; i++) {
      const field = this.at(i)!;
      const known = findHeaderName(field.name.text);
      if (known !== undefined) field.name = known;
    }
  }

  private evictTo(size: number): void {
    const { slots } = this;
    while (this.size > size && this.count > 0) {
      const oldest = (this.head - this.count) & (slots.length - 1);
      this.size -= slots[oldest]!.size;
      slots[oldest] = undefined;
      this.count--;
    }
  }

  private grow(): void {
    const { count } = this;
    const larger = new Array<HeaderField | undefined>(Math.max(FIRST_SLOTS, count * 2)).fill(undefined);
    for (let i = 0; i < count; i++) larger[count - 1 - i] = this.at(i);
    this.slots = larger;
    this.head = count;
  }
}

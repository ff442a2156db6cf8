/** Whole frames in the order in which they leave; control frames, heads, and data that had a window when it came. */
import type { Bytes } from '../../bytes/bytes.ts';
import { type Chunk, giveChunkBack, takeChunk } from './chunk_pool.ts';

export type Write = (bytes: Bytes, start: number, end: number) => boolean;

export class OutputQueue {
  /** Bytes. */
  length = 0;
  frames = 0;
  controlFrames = 0;
  private readonly full: Chunk[] = [];
  private last: Chunk | undefined = undefined;

  /** A chunk with `room` bytes left behind its `end`; `room` is at most CHUNK_SIZE. */
  chunkFor(room: number): Chunk {
    let { last } = this;
    if (last === undefined) {
      last = takeChunk();
      this.last = last;
    } else if (last.end + room > last.bytes.length) {
      this.full.push(last);
      last = takeChunk();
      this.last = last;
    }
    return last;
  }

  /** One frame was written behind the end of the chunk that `chunkFor` gave, up to `end`. */
  added(chunk: Chunk, end: number): void {
    this.length += end - chunk.end;
    chunk.end = end;
    chunk.frames++;
    this.frames++;
  }

  /** As `added` for a frame that a peer's frame made us send: these have a limit of their own. */
  addedControl(chunk: Chunk, end: number): void {
    this.added(chunk, end);
    chunk.controlFrames++;
    this.controlFrames++;
  }

  /** False: `write` takes no more for now. What it appends meanwhile is written too. */
  writeTo(write: Write): boolean {
    while (this.length > 0) {
      const chunk = this.full.length > 0 ? this.full.shift()! : this.last!;
      if (chunk === this.last) this.last = undefined;
      this.length -= chunk.end;
      this.frames -= chunk.frames;
      this.controlFrames -= chunk.controlFrames;
      const more = write(chunk.bytes, 0, chunk.end);
      giveChunkBack(chunk);
      if (!more) return false;
    }
    return true;
  }

  clear(): void {
    for (const chunk of this.full) giveChunkBack(chunk);
    this.full.length = 0;
    if (this.last !== undefined) giveChunkBack(this.last);
    this.last = undefined;
    this.length = 0;
    this.frames = 0;
    this.controlFrames = 0;
  }
}

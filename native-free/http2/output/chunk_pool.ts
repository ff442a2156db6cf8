/** Fixed-size buffers for what waits to leave: lent to the connections that have output, so that an idle one holds none. */
import type { Bytes } from '../../bytes/bytes.ts';
import { allocateBytes } from '../../bytes/own_bytes.ts';
import { FRAME_HEADER_LENGTH, MAX_FRAME_SIZE } from '../frames/frame.ts';

/** Holds the largest frame that we send. */
const CHUNK_SIZE = FRAME_HEADER_LENGTH + MAX_FRAME_SIZE;
/** Free chunks kept for a thread: 4 MiB. What is given back beyond them goes to the garbage collector. */
const MAX_FREE = 256;

export class Chunk {
  readonly bytes: Bytes = allocateBytes(CHUNK_SIZE);
  end = 0;
  /** Frames that begin in it, all and those the peer can make us send. */
  frames = 0;
  controlFrames = 0;
}

const free: Chunk[] = [];
let lent = 0;

export function takeChunk(): Chunk {
  lent++;
  return free.pop() ?? new Chunk();
}

/** Whoever gives a chunk back must have no more of it. */
export function giveChunkBack(chunk: Chunk): void {
  lent--;
  if (free.length >= MAX_FREE) return;
  chunk.end = 0;
  chunk.frames = 0;
  chunk.controlFrames = 0;
  free.push(chunk);
}

/** Chunks that connections of this thread have at present. */
export function lentChunks(): number {
  return lent;
}

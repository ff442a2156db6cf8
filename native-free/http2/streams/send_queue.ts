/** Data of one stream that waits for a window or for the socket, kept so that frames can be made where it lies. */
import type { Bytes } from '../../bytes/bytes.ts';
import { allocateBytes } from '../../bytes/own_bytes.ts';
import { writeDataHeader } from '../frames/data.ts';
import { FRAME_HEADER_LENGTH } from '../frames/frame.ts';
import { type Chunk, giveChunkBack, takeChunk } from '../output/chunk_pool.ts';
import type { Write } from '../output/output_queue.ts';

/** A little data takes a little buffer: 1,000 streams that wait with one byte each must not take 16 MiB. */
const SMALL_PIECE = 1024;
const CHUNK_FROM = 4096;

/** `start` is never less than the length of a frame header, which is written before the data when it leaves. */
interface Piece {
  readonly bytes: Bytes;
  start: number;
  end: number;
  /** To be given back to the pool. */
  readonly chunk: Chunk | undefined;
}

export class SendQueue {
  length = 0;
  private readonly pieces: Piece[] = [];

  append(bytes: Bytes, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const piece = this.pieceWithRoom(end - at);
      const taken = Math.min(end - at, piece.bytes.length - piece.end);
      if (taken === 1) piece.bytes[piece.end] = bytes[at];
      else piece.bytes.set(bytes.subarray(at, at + taken), piece.end);
      piece.end += taken;
      at += taken;
    }
    this.length += end - start;
  }

  /** Bytes that the next frame can hold, windows aside. */
  get frontLength(): number {
    const front = this.pieces[0];
    return front.end - front.start;
  }

  /** Writes `length` bytes, at most `frontLength`, as one DATA frame; answers as `write` does. */
  writeFrame(write: Write, length: number, streamId: number, endStream: boolean): boolean {
    const front = this.pieces[0];
    const from = front.start - FRAME_HEADER_LENGTH;
    writeDataHeader(front.bytes, from, length, streamId, endStream);
    front.start += length;
    this.length -= length;
    if (front.start < front.end) return write(front.bytes, from, front.start);
    this.pieces.shift();
    const more = write(front.bytes, from, front.end);
    if (front.chunk !== undefined) giveChunkBack(front.chunk);
    return more;
  }

  clear(): void {
    for (const piece of this.pieces) if (piece.chunk !== undefined) giveChunkBack(piece.chunk);
    this.pieces.length = 0;
    this.length = 0;
  }

  private pieceWithRoom(wanted: number): Piece {
    const { pieces } = this;
    const last = pieces[pieces.length - 1];
    if (last !== undefined && last.end < last.bytes.length) return last;
    const piece = makePiece(wanted + this.length);
    pieces.push(piece);
    return piece;
  }
}

function makePiece(wanted: number): Piece {
  const chunk = wanted >= CHUNK_FROM ? takeChunk() : undefined;
  const bytes = chunk === undefined ? allocateBytes(FRAME_HEADER_LENGTH + Math.max(wanted, SMALL_PIECE)) : chunk.bytes;
  return { bytes, start: FRAME_HEADER_LENGTH, end: FRAME_HEADER_LENGTH, chunk };
}

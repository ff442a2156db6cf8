/** A log file that many loggers of a thread append to: entries are buffered and written whole, without ever blocking. */
import * as fs from 'node:fs';
import { FILESYSTEM } from '../stats/server_layouts.ts';

/** The calls of node:fs that a log file makes; handed in so that tests can stand in for a slow or full disk. */
export type FileIo = Pick<typeof fs, 'write' | 'writeSync' | 'open' | 'openSync' | 'closeSync'>;

/** Entries are written when this many bytes wait, or with the next interval. */
const FLUSH_BYTES = 64 * 1024;
/** When the disk is stuck, later entries are dropped. */
const MAX_WAITING = 16 * 1024 * 1024;
/** Room for the entries of one write, and for the one that goes over FLUSH_BYTES. */
const SLAB_BYTES = FLUSH_BYTES + 8 * 1024;
/** Milliseconds before a full pipe is tried again, and how often at the end of a thread. */
const RETRY_MS = 10;
const LAST_RETRIES = 100;

// O_APPEND lets the files of several threads and processes grow together: each write is a whole number of entries.
const FLAGS = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT;
const MODE = 0o644;

/** A worker's process.stdout goes through the main thread; the descriptor itself does not. */
const standardStreams: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 };

const { slot } = FILESYSTEM;

/** Entries of one write: the first `length` bytes. */
interface Chunk {
  readonly slab: Buffer;
  length: number;
}

export class LogFile {
  readonly path: string;
  /** Entries lost because too many waited, or because the file could not be opened. */
  dropped = 0;
  private readonly stats: Float64Array;
  private readonly io: FileIo;
  /** -1 while the file could not be opened. */
  private fd: number;
  /** The next write, and what waits for its turn: bytes, so that a stuck disk holds no more than it counts. */
  private filling: Chunk | undefined;
  private readonly queue: Chunk[] = [];
  /** A slab that can be used again. */
  private spare: Buffer | undefined;
  private waiting = 0;
  private writing = false;
  /** Descriptor to be closed when the write in flight has ended. */
  private retiredFd = -1;
  private onIdle: (() => void) | undefined;

  constructor(path: string, stats: Float64Array, io: FileIo = fs) {
    this.path = path;
    this.stats = stats;
    this.io = io;
    this.fd = standardStreams[path] ?? openOrMinusOne(path, io);
  }

  /** Takes one entry, one character a byte, with its line end; drops it when too many wait. */
  write(entry: string): void {
    if (this.fd < 0 || this.waiting + entry.length > MAX_WAITING) {
      this.dropped++;
      return;
    }
    const chunk = this.chunkFor(entry.length);
    chunk.length += chunk.slab.write(entry, chunk.length, 'latin1');
    this.addWaiting(entry.length);
    this.stats[slot.write_buffered]++;
    if (chunk.length >= FLUSH_BYTES) this.flush();
  }

  /** Begins to write what waits; tells whether anything did. */
  flush(): boolean {
    if (this.filling === undefined) return false;
    this.queue.push(this.filling);
    this.filling = undefined;
    if (!this.writing) this.writeNext();
    return true;
  }

  /** Opens the path anew, as after a log rotation (SIGUSR1); until that has succeeded the old file is written. */
  reopen(): void {
    if (this.path in standardStreams) return;
    this.io.open(this.path, FLAGS, MODE, (error, fd) => {
      if (error !== null) {
        this.stats[slot.reopen_failed]++;
        return;
      }
      const old = this.fd;
      this.fd = fd;
      if (old < 0) return;
      // A second rotation within one write: the descriptor in flight is the one retired first.
      if (this.writing && this.retiredFd < 0) this.retiredFd = old;
      else closeQuietly(old, this.io);
    });
  }

  /** Writes all that waits before it returns. A write under way ends by itself. */
  flushSync(): void {
    for (const { slab, length } of this.queue.splice(0)) this.writeSync(slab.subarray(0, length));
    if (this.filling !== undefined) this.writeSync(this.filling.slab.subarray(0, this.filling.length));
    this.filling = undefined;
  }

  /** As `flushSync`, and the file is closed; resolves when a write that was under way has ended, too. */
  async close(): Promise<void> {
    this.flushSync();
    if (this.writing) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    if (this.fd > 2) closeQuietly(this.fd, this.io);
    this.fd = -1;
  }

  private writeNext(): void {
    const chunk = this.queue.shift();
    if (chunk === undefined) {
      this.onIdle?.();
      return;
    }
    this.writing = true;
    this.writeRest(this.fd, chunk, 0);
  }

  private chunkFor(bytes: number): Chunk {
    if (this.filling !== undefined && this.filling.length + bytes <= this.filling.slab.length) return this.filling;
    this.flush();
    const slab = bytes <= SLAB_BYTES ? this.spare : Buffer.allocUnsafeSlow(bytes);
    if (slab === this.spare) this.spare = undefined;
    this.filling = { slab: slab ?? Buffer.allocUnsafeSlow(SLAB_BYTES), length: 0 };
    return this.filling;
  }

  /** The rest of a partial write goes to the file that got its beginning. */
  private writeRest(fd: number, chunk: Chunk, from: number): void {
    this.io.write(fd, chunk.slab, from, chunk.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.writeRest(fd, chunk, from), RETRY_MS);
        return;
      }
      if (error === null && from + written < chunk.length) {
        this.writeRest(fd, chunk, from + written);
        return;
      }
      this.stats[error === null ? slot.write_completed : slot.write_failed]++;
      this.addWaiting(-chunk.length);
      if (chunk.slab.length === SLAB_BYTES) this.spare = chunk.slab;
      this.writing = false;
      if (this.retiredFd >= 0) {
        closeQuietly(this.retiredFd, this.io);
        this.retiredFd = -1;
      }
      this.writeNext();
    });
  }

  /** Nothing else runs on the thread any more: a full pipe is waited for, a second at most. */
  private writeSync(bytes: Buffer): void {
    let retries = 0;
    for (let from = 0; from < bytes.length; ) {
      try {
        from += this.io.writeSync(this.fd, bytes, from);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || ++retries > LAST_RETRIES) {
          this.stats[slot.write_failed]++;
          break;
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
      if (from === bytes.length) this.stats[slot.write_completed]++;
    }
    this.addWaiting(-bytes.length);
  }

  private addWaiting(bytes: number): void {
    this.waiting += bytes;
    this.stats[slot.write_total_buffered] += bytes;
  }
}

function openOrMinusOne(path: string, io: FileIo): number {
  try {
    return io.openSync(path, FLAGS, MODE);
  } catch {
    return -1;
  }
}

function closeQuietly(fd: number, io: FileIo): void {
  try {
    io.closeSync(fd);
  } catch {
    // It is of no use any more either way.
  }
}

/** Tries whether a path can be written, creating the file as Envoy does; the reason in Envoy's words, or undefined. */
export function checkLogFile(path: string): string | undefined {
  if (path in standardStreams) return undefined;
  try {
    closeQuietly(fs.openSync(path, FLAGS, MODE), fs);
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return `unable to open file '${path}': ${openErrors[code] ?? code}`;
  }
}

const openErrors: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EROFS: 'Read-only file system',
};

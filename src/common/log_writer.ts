/** The sink of the application log: whole lines to stderr or a file, at once, and never an exception to the caller. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';

const STDERR = 2;
const ATTEMPTS_WHEN_FULL = 100;
const pause = new Int32Array(new SharedArrayBuffer(4));

export class LogWriter {
  private readonly path: string | undefined;
  private fd: number;
  /** Lines lost because the reader of a pipe was too slow or a disk was full. */
  dropped = 0;
  /** The last line was given up: the next ones do not wait, so that a stopped reader costs one wait and not one a line. */
  private stalled = false;

  /** Throws, in Envoy's words, when the file cannot be opened for appending. */
  constructor(path: string | undefined) {
    this.path = path;
    this.fd = path === undefined ? STDERR : openLog(path);
  }

  /** Writes a line with its line feed. O_APPEND keeps lines of several threads whole. */
  write(line: string): void {
    try {
      // One system call in the usual case; the rest only after a short write to a pipe.
      const written = writeSync(this.fd, line);
      if (written < line.length) this.writeRest(Buffer.from(line), written);
      else this.stalled = false;
    } catch (error) {
      if (isFull(error)) this.writeRest(Buffer.from(line), 0);
      else this.dropped++; // EPIPE, ENOSPC, EIO: a log must not stop the proxy
    }
  }

  /** A non-blocking stderr whose reader is behind: waits up to 100 ms for it, then gives the line up. */
  private writeRest(bytes: Buffer, from: number): void {
    let written = from;
    const attempts = this.stalled ? 1 : ATTEMPTS_WHEN_FULL;
    for (let attempt = 0; attempt < attempts && written < bytes.length; attempt++) {
      try {
        written += writeSync(this.fd, bytes, written);
      } catch (error) {
        if (!isFull(error)) break;
        if (attempts > 1) Atomics.wait(pause, 0, 0, 1);
      }
    }
    this.stalled = written < bytes.length;
    if (this.stalled) this.dropped++;
  }

  /** Opens the path again; keeps the old file when that fails. */
  reopen(): void {
    if (this.path === undefined) return;
    try {
      const fd = openSync(this.path, 'a');
      this.close();
      this.fd = fd;
    } catch {
      this.dropped++;
    }
  }

  close(): void {
    if (this.fd !== STDERR) closeSync(this.fd);
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    const reason = getSystemErrorMessage(errno);
    const why = reason.charAt(0).toUpperCase() + reason.slice(1);
    throw new Error(`Failed to open log-file '${path}'. e.what(): unable to open file '${path}': ${why}`);
  }
}

function isFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}

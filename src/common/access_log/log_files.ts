/** The access log files of a thread, one a path, and the timer that flushes them. */
import * as fs from 'node:fs';
import { FILESYSTEM } from '../stats/server_layouts.ts';
import { type FileIo, LogFile } from './log_file.ts';

export class LogFiles {
  private readonly stats: Float64Array;
  private readonly io: FileIo;
  private readonly timer: NodeJS.Timeout;
  private readonly files = new Map<string, LogFile>();

  /**
   * `flushIntervalMs`: `--file-flush-interval-msec`, > 0. `stats`: the thread's block of the FILESYSTEM layout; counts go
   * nowhere without it.
   */
  constructor(
    flushIntervalMs = 10_000,
    stats: Float64Array = new Float64Array(FILESYSTEM.names.length),
    io: FileIo = fs,
  ) {
    this.stats = stats;
    this.io = io;
    this.timer = setInterval(() => this.onInterval(), flushIntervalMs);
    this.timer.unref();
  }

  /** The file of this path, opened now when it is new. It never throws: a file that cannot be opened drops its entries. */
  open(path: string): LogFile {
    let file = this.files.get(path);
    if (file === undefined) {
      file = new LogFile(path, this.stats, this.io);
      this.files.set(path, file);
    }
    return file;
  }

  /** Begins to write what waits. */
  flush(): void {
    for (const file of this.files.values()) file.flush();
  }

  /** Writes what waits before it returns: for the last moments of a thread. A write under way ends by itself. */
  flushSync(): void {
    for (const file of this.files.values()) file.flushSync();
  }

  /** Opens all files anew, as after a log rotation. */
  reopen(): void {
    for (const file of this.files.values()) file.reopen();
  }

  /** As `flushSync`, and the files are closed; it resolves when writes that were under way have ended, too. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    const files = [...this.files.values()];
    this.files.clear();
    await Promise.all(files.map((file) => file.close()));
  }

  private onInterval(): void {
    for (const file of this.files.values()) {
      if (file.flush()) this.stats[FILESYSTEM.slot.flushed_by_timer]++;
    }
  }
}

/** Where a UNIX socket is bound: under a name beside its own first, so that it takes the place of an older one in one step. */
import { chmodSync, renameSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { threadId } from 'node:worker_threads';

/** Bytes of a path in a socket's address, without the final NUL. */
const longest = 107;
let bindings = 0;

/**
 * A file that exists is replaced, as Envoy does; by renaming, so that there is never a moment without a socket, and so that
 * the end of the process before us, which removes the name it has bound, does not remove ours.
 */
export class UnixPath {
  /** What to bind. */
  readonly bind: string;
  private readonly path: string;
  private readonly replaces: boolean;

  /** `text` is a path, or `@name` in Linux' abstract namespace. */
  constructor(text: string) {
    this.path = text;
    const beside = path.join(path.dirname(text), `.nuncio-${process.pid}-${threadId}-${bindings++}`);
    this.replaces = !text.startsWith('@') && Buffer.byteLength(beside) <= longest;
    if (this.replaces) this.bind = beside;
    else if (text.startsWith('@')) this.bind = `\0${text.slice(1)}`;
    else {
      this.bind = text;
      remove(text);
    }
  }

  /** The socket is bound: gives it its permissions (0: as the umask leaves them) and its name. */
  publish(mode: number): void {
    if (this.bind.startsWith('\0')) return;
    if (mode !== 0) chmodSync(this.bind, mode);
    if (this.replaces) renameSync(this.bind, this.path);
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // There is none, or it may not be removed: then binding says why.
  }
}

/** Steps 7 and 8 of the data path: what was asked for of the main thread because a request needs it, and who waits for it. */
import type { FromWorker, OnDemandRequest } from '../spi/worker_messages.ts';

/** Names a worker waits for at a time: a client can make up any number. */
const mostNames = 1024;

export class OnDemandRequests {
  private readonly post: (message: FromWorker) => void;
  private readonly onFault: (error: unknown) => void;
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(post: (message: FromWorker) => void, onFault: (error: unknown) => void) {
    this.post = post;
    this.onFault = onFault;
  }

  /** False when too many are waited for. */
  request(request: OnDemandRequest, done: () => void): boolean {
    const key = keyOf(request);
    const present = this.waiting.get(key);
    if (present !== undefined) {
      present.push(done);
      return true;
    }
    if (this.waiting.size >= mostNames) return false;
    this.waiting.set(key, [done]);
    this.post({ kind: 'on_demand', request });
    return true;
  }

  onAnswer(request: OnDemandRequest): void {
    const key = keyOf(request);
    const present = this.waiting.get(key) ?? [];
    this.waiting.delete(key);
    for (const done of present) {
      try {
        done();
      } catch (error) {
        this.onFault(error);
      }
    }
  }
}

function keyOf({ what, from, name }: OnDemandRequest): string {
  return `${what} ${name} ${from}`;
}

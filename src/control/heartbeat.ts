/** Finds workers that hang: each beats in shared memory, and one whose pulse stands still is told of. */
import inspector from 'node:inspector';
import { beatInterval } from '../spi/worker_messages.ts';

/** Beats a worker may miss before it counts as hung: 3.5 s, and found within 4 s. */
const mostMissed = 7;

/** A worker as the watch sees it. */
export interface Watched {
  /** Raised by the worker with every beat. */
  readonly pulse: Int32Array;
  /** False while the worker starts: compiling a large configuration may take longer than a hang. */
  readonly serving: boolean;
}

export class HeartbeatWatch<T extends Watched> {
  private readonly members: readonly T[];
  private readonly onHung: (member: T) => void;
  private readonly seen = new WeakMap<T, { beat: number; missed: number }>();
  private timer: NodeJS.Timeout | undefined;

  constructor(members: readonly T[], onHung: (member: T) => void) {
    this.members = members;
    this.onHung = onHung;
  }

  start(): void {
    this.timer = setInterval(() => this.check(), beatInterval);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /**
   * Missed beats are counted in turns of this thread's own timer, not in time: when the whole process was stopped (SIGSTOP, a
   * suspended machine), that is one turn. A debugger may hold a worker for as long as it likes.
   */
  check(): void {
    if (inspector.url() !== undefined) return;
    for (const member of this.members) {
      const beat = Atomics.load(member.pulse, 0);
      const seen = this.seen.get(member);
      if (seen === undefined || seen.beat !== beat || !member.serving) {
        this.seen.set(member, { beat, missed: 0 });
        continue;
      }
      seen.missed++;
      if (seen.missed < mostMissed) continue;
      seen.missed = 0;
      this.onHung(member);
    }
  }
}

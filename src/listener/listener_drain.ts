/** Step 1 of the data path: whether the connections of one listener should end when they can. */
import { now } from '../common/clock.ts';
import type { DrainState } from '../spi/worker_context.ts';

/** envoy.config.listener.v3.Listener.DrainType. */
export const DrainType = { Default: 0, ModifyOnly: 1 } as const;

/** What the process as a whole is told; one object a worker, shared by its listeners. */
export interface ProcessDrain extends DrainState {
  /** The process ends. */
  draining: boolean;
  /** /healthcheck/fail holds. */
  healthFailed: boolean;
  /** Milliseconds a drain sequence takes (`--drain-time-s`). */
  readonly drainTime: number;
  /** Every answer closes from the first moment on (`--drain-strategy immediate`), or ever more of them do. */
  readonly immediate: boolean;
}

export class ListenerDrain implements DrainState {
  private readonly process: ProcessDrain;
  private readonly drainType: number;
  private readonly whole: DrainState | undefined;
  private startedAt = -1;

  /** `whole` is the listener whose chain this is of; a chain may be left out of its listener while that goes on. */
  constructor(process: ProcessDrain, drainType: number, whole?: DrainState) {
    this.process = process;
    this.drainType = drainType;
    this.whole = whole;
  }

  /** Of one chain: it drains with its listener, or alone. */
  ofChain(): ListenerDrain {
    return new ListenerDrain(this.process, this.drainType, this);
  }

  /** Milliseconds a sequence takes. */
  get time(): number {
    return this.process.drainTime;
  }

  /** Begins a drain sequence; one that runs goes on. */
  start(): void {
    if (this.startedAt < 0) this.startedAt = now;
  }

  /** Asked anew for each answer, so that connections go one by one over the drain time and do not all come back at once. */
  get draining(): boolean {
    const { process, startedAt, whole } = this;
    if (whole !== undefined) {
      if (whole.draining) return true;
    } else if (process.draining || (process.healthFailed && this.drainType === DrainType.Default)) return true;
    if (startedAt < 0) return false;
    return process.immediate || Math.random() * process.drainTime < now - startedAt;
  }
}

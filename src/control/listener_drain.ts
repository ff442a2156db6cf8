/** POST /drain_listeners and /healthcheck/fail on the main thread: what workers are told, and when listeners stop. */
import type { ToWorker } from '../spi/worker_messages.ts';
import type { DrainOptions } from './admin/context.ts';

export interface ListenerDrainParts {
  /** Milliseconds of a drain sequence (`--drain-time-s`). */
  readonly drainTime: number;
  broadcast(message: ToWorker): void;
  /** Listeners stop accepting. */
  onStopped(inboundOnly: boolean): void;
}

export class ListenerDrain {
  private readonly parts: ListenerDrainParts;
  private healthFailed = false;
  private readonly told: ToWorker[] = [];
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(parts: ListenerDrainParts) {
    this.parts = parts;
  }

  /** Connections begin to end; listeners stop at once, after the drain time (`graceful`) or not at all (`skipExit`), as Envoy's. */
  begin({ graceful, skipExit, inboundOnly }: DrainOptions): void {
    this.tell({ kind: 'drain_sequence', inboundOnly });
    if (skipExit) return;
    if (!graceful) {
      this.stopListeners(inboundOnly);
      return;
    }
    const timer = setTimeout(() => this.stopListeners(inboundOnly), this.parts.drainTime);
    this.timers.push(timer.unref());
  }

  onHealthFailed(failed: boolean): void {
    this.healthFailed = failed;
    this.parts.broadcast({ kind: 'health_failed', failed });
  }

  /** For a worker that starts. */
  messages(): readonly ToWorker[] {
    return this.healthFailed ? [...this.told, { kind: 'health_failed', failed: true }] : this.told;
  }

  /** The process ends. */
  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private stopListeners(inboundOnly: boolean): void {
    this.parts.onStopped(inboundOnly);
    this.tell({ kind: 'stop_listeners', inboundOnly });
  }

  private tell(message: ToWorker): void {
    this.told.push(message);
    this.parts.broadcast(message);
  }
}

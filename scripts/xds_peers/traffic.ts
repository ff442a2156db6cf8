/** Constant load through a proxy, in a thread of its own so that what drives the control plane does not delay it. */
import { Worker } from 'node:worker_threads';

export type ToTraffic =
  | { kind: 'upstream'; name: string; port: number }
  | { kind: 'load'; port: number; lanes: number; pause: number; secure: boolean }
  /** Port 0: all. */
  | { kind: 'stop'; port: number }
  | { kind: 'take' };

/** What was seen since the last look; milliseconds. */
export interface Seen {
  readonly answered: number;
  readonly worst: number;
  readonly median: number;
  readonly p99: number;
  /** `<port of the listener>: <status and body, or what happened to the connection>`. */
  readonly failures: ReadonlyMap<string, number>;
  readonly bodies: ReadonlyMap<string, number>;
}

export type FromTraffic = { kind: 'upstream'; name: string; port: number } | ({ kind: 'taken' } & Seen);

export class Traffic {
  private readonly worker = new Worker(new URL('./traffic_thread.ts', import.meta.url));
  private readonly upstreams = new Map<string, (port: number) => void>();
  private onTaken: ((seen: Seen) => void) | undefined;

  constructor() {
    this.worker.on('message', (message: FromTraffic) => {
      if (message.kind === 'upstream') this.upstreams.get(message.name)?.(message.port);
      else this.onTaken?.(message);
    });
  }

  /** Resolves with the port of a server that answers every request with its name, on all addresses of the machine. */
  upstream(name: string): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.upstreams.set(name, resolve);
    this.post({ kind: 'upstream', name, port: 0 });
    return promise;
  }

  /** Ten connections by turns, about 300 requests a second, every fifth lane with a new connection each time. */
  load(port: number, { lanes = 10, pause = 30, secure = false } = {}): void {
    this.post({ kind: 'load', port, lanes, pause, secure });
  }

  stopLoad(port = 0): void {
    this.post({ kind: 'stop', port });
  }

  /** What was seen since the last call. */
  take(): Promise<Seen> {
    const { promise, resolve } = Promise.withResolvers<Seen>();
    this.onTaken = resolve;
    this.post({ kind: 'take' });
    return promise;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private post(message: ToTraffic): void {
    this.worker.postMessage(message);
  }
}

/** The part of autocannon's interface that the load scripts use; the package ships no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Options {
    url: string;
    /** Connections. */
    connections: number;
    /** Seconds. */
    duration: number;
    method?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
  }

  interface Result {
    /** Connection errors and timeouts. */
    errors: number;
    timeouts: number;
    non2xx: number;
    requests: { total: number };
    /** Seconds the run took. */
    duration: number;
  }

  /** Emits `response` with (client, status code, bytes, milliseconds). */
  interface Instance extends EventEmitter, PromiseLike<Result> {}

  export default function autocannon(options: Options): Instance;
}

/** PING frames by the clock or before a stream after a rest, and what follows when the peer does not answer (`connection_keepalive`). */
import type { envoy } from '../api/envoy_types.ts';
import { now } from './clock.ts';
import { durationMs } from './duration.ts';
import { Timer, type TimerOwner } from './timers.ts';

type Message = envoy.config.core.v3.KeepaliveSettings;

/** In milliseconds. */
export interface KeepaliveOptions {
  /** 0: no PING by the clock. */
  readonly interval: number;
  readonly timeout: number;
  /** Of the interval, in percent: at most this much is added at random. */
  readonly jitter: number;
  /** A connection without streams for so long is asked before its next one; 0: never. For those who open streams. */
  readonly idleInterval: number;
}

/** Undefined: no pings. */
export function compileKeepalive(message: Message | undefined): KeepaliveOptions | undefined {
  if (message === undefined) return undefined;
  const interval = durationMs(message.interval) ?? 0;
  const idleInterval = durationMs(message.connectionIdleInterval) ?? 0;
  if (interval === 0 && idleInterval === 0) return undefined;
  return {
    interval,
    timeout: durationMs(message.timeout) ?? 0,
    jitter: message.intervalJitter?.value ?? 15,
    idleInterval,
  };
}

export interface KeepaliveOwner {
  ping(): void;
  onKeepaliveTimeout(): void;
}

const Interval = 0;
const Timeout = 1;

export class Http2Keepalive implements TimerOwner {
  private readonly owner: KeepaliveOwner;
  private readonly options: KeepaliveOptions;
  private readonly interval: Timer;
  private readonly timeout: Timer;
  private restingSince = now;

  constructor(owner: KeepaliveOwner, options: KeepaliveOptions) {
    this.owner = owner;
    this.options = options;
    this.interval = new Timer(this, Interval);
    this.timeout = new Timer(this, Timeout);
    this.schedule();
  }

  /** Whatever comes from the peer shows that it is there; Envoy then waits as long again for the answer. */
  onActivity(): void {
    if (this.timeout.running) this.timeout.start(this.options.timeout);
  }

  onAnswer(): void {
    if (!this.timeout.running) return;
    this.timeout.stop();
    this.schedule();
  }

  /** The last stream is over. */
  onRest(): void {
    this.restingSince = now;
  }

  /** A stream is about to be opened where there is none. */
  onWake(): void {
    const { idleInterval } = this.options;
    if (idleInterval > 0 && now - this.restingSince >= idleInterval) this.ask();
  }

  stop(): void {
    this.interval.stop();
    this.timeout.stop();
  }

  onTimer(kind: number): void {
    if (kind === Timeout) this.owner.onKeepaliveTimeout();
    else this.ask();
  }

  private ask(): void {
    if (this.timeout.running) return;
    this.timeout.start(this.options.timeout);
    this.owner.ping();
  }

  private schedule(): void {
    const { interval, jitter } = this.options;
    if (interval > 0) this.interval.start(interval + Math.floor((Math.random() * jitter * interval) / 100));
  }
}

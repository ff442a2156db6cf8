/** The timers of one request: for its whole answer, for one try, and for silence within a try. */
import { now } from '../common/clock.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { RequestTimeouts } from './timeouts.ts';

export interface TimersOwner {
  onResponseTimeout(): void;
  /** `idle`: nothing came or went within per_try_idle_timeout. */
  onTryTimeout(idle: boolean): void;
}

const Response = 0;
const PerTry = 1;
const PerTryIdle = 2;

export class RequestTimers implements TimerOwner {
  readonly timeouts: RequestTimeouts;
  private readonly owner: TimersOwner;
  private response: Timer | undefined;
  private perTry: Timer | undefined;
  private perTryIdle: Timer | undefined;
  private lastActivity = 0;

  constructor(owner: TimersOwner, timeouts: RequestTimeouts) {
    this.owner = owner;
    this.timeouts = timeouts;
  }

  /** Runs from the end of the request over all tries; further calls change nothing. */
  startResponse(): void {
    if (this.timeouts.response === 0 || this.response !== undefined) return;
    this.response = new Timer(this, Response);
    this.response.start(this.timeouts.response);
  }

  stopResponse(): void {
    this.response?.stop();
  }

  startTry(): void {
    const { perTry, perTryIdle } = this.timeouts;
    if (perTry > 0) {
      this.perTry ??= new Timer(this, PerTry);
      this.perTry.start(perTry);
    }
    if (perTryIdle > 0) {
      this.perTryIdle ??= new Timer(this, PerTryIdle);
      this.perTryIdle.start(perTryIdle);
    }
  }

  /** Bytes of the answer came. */
  onActivity(): void {
    this.lastActivity = now;
  }

  /** The answer begins: the try may now last as long as the whole request, but not fall silent. */
  onAnswer(): void {
    this.lastActivity = now;
    this.perTry?.stop();
  }

  stopTry(): void {
    this.perTry?.stop();
    this.perTryIdle?.stop();
  }

  stop(): void {
    this.response?.stop();
    this.stopTry();
  }

  onTimer(kind: number): void {
    if (kind === Response) this.owner.onResponseTimeout();
    else if (kind === PerTry) this.owner.onTryTimeout(false);
    else this.onSilence();
  }

  private onSilence(): void {
    const left = this.lastActivity + this.timeouts.perTryIdle - now;
    if (left > 0) this.perTryIdle!.start(left);
    else this.owner.onTryTimeout(true);
  }
}

/** Step 5 of the data path: the timers of one stream, and what the client is told when one runs out. */
import { GrpcStatus } from '../../native-free/grpc/status.ts';
import { now } from '../common/clock.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP } from '../common/stats/layouts.ts';
import { Timer } from '../common/timers.ts';
import type { ActiveStream } from './active_stream.ts';
import type { HttpConnectionManagerConfig } from './config.ts';

const StreamIdle = 0;
const RequestTimeout = 1;
const MaxDuration = 2;
const PeriodicLog = 3;

export class StreamTimers {
  /** When a byte last moved in either direction: the idle timer looks at it only when it runs out. */
  lastActivity = now;
  private readonly stream: ActiveStream;
  private readonly config: HttpConnectionManagerConfig;
  private readonly idle: Timer;
  private idleTimeout: number;
  private request: Timer | undefined;
  private duration: Timer | undefined;
  private log: Timer | undefined;

  constructor(stream: ActiveStream, config: HttpConnectionManagerConfig) {
    this.stream = stream;
    this.config = config;
    this.idleTimeout = config.streamIdleTimeout;
    this.idle = new Timer(this, StreamIdle);
    if (this.idleTimeout > 0) this.idle.start(this.idleTimeout);
    if (config.requestTimeout > 0) {
      this.request = new Timer(this, RequestTimeout);
      this.request.start(config.requestTimeout);
    }
    if (config.maxStreamDuration > 0) {
      this.duration = new Timer(this, MaxDuration);
      this.duration.start(config.maxStreamDuration);
    }
    if (config.accessLogFlushInterval > 0) {
      this.log = new Timer(this, PeriodicLog);
      this.log.start(config.accessLogFlushInterval);
    }
  }

  /** Milliseconds; 0: none. */
  setIdleTimeout(milliseconds: number): void {
    this.idleTimeout = milliseconds;
    this.idle.stop();
    if (milliseconds > 0) this.idle.start(milliseconds);
  }

  /** Milliseconds from the stream's beginning, instead of the manager's; undefined: none. */
  setMaxDuration(milliseconds: number | undefined): void {
    this.duration ??= new Timer(this, MaxDuration);
    this.duration.stop();
    if (milliseconds === undefined) return;
    this.duration.start(Math.max(0, milliseconds - (now - this.stream.info.startMonotonic)));
  }

  /** The request is complete, or answered. */
  stopRequestTimeout(): void {
    this.request?.stop();
  }

  stop(): void {
    this.idle.stop();
    this.request?.stop();
    this.duration?.stop();
    this.log?.stop();
  }

  onTimer(kind: number): void {
    if (kind === StreamIdle) this.onIdle();
    else if (kind === RequestTimeout) this.onRequestTimeout();
    else if (kind === MaxDuration) this.onMaxDuration();
    else {
      this.stream.logPeriodically();
      this.log?.start(this.config.accessLogFlushInterval);
    }
  }

  private onIdle(): void {
    const { stream } = this;
    const left = this.lastActivity + this.idleTimeout - now;
    if (left > 0) {
      this.idle.start(left);
      return;
    }
    this.config.stats[HTTP.slot.downstream_rq_idle_timeout]++;
    if (!stream.requestDone) stream.manager.closeAfterResponse();
    const status = stream.requestDone ? 504 : 408;
    stream.sendLocalReply(status, 'stream timeout', 'stream_idle_timeout', ResponseFlag.StreamIdleTimeout, undefined);
  }

  private onRequestTimeout(): void {
    this.config.stats[HTTP.slot.downstream_rq_timeout]++;
    this.stream.manager.closeAfterResponse();
    this.stream.sendLocalReply(408, 'request timeout', 'request_overall_timeout', -1, undefined);
  }

  private onMaxDuration(): void {
    const { stream } = this;
    this.config.stats[HTTP.slot.downstream_rq_max_duration_reached]++;
    const status = stream.requestDone ? 504 : 408;
    const text = 'downstream duration timeout';
    stream.sendLocalReply(status, text, 'max_duration_timeout', -1, undefined, GrpcStatus.DeadlineExceeded);
  }
}

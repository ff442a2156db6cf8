/** Control path, step 3: a stream to a control plane that is opened again whenever it ends, and asked no faster than allowed. */
import { logger } from '../../common/log.ts';
import type { BackOff } from '../back_off.ts';
import { CONTROL_PLANE } from '../stats.ts';
import type { GrpcChannel, GrpcStream } from './channel.ts';
import type { TokenBucket } from './token_bucket.ts';

const log = logger('config');

/** What a protocol, state of the world or delta, does with the stream. */
export interface StreamProtocol {
  /** A new stream: what is asked for must be asked for again. */
  onStreamOpen(): void;
  onMessage(bytes: Uint8Array): void;
  /** It ended, or could not be opened. */
  onStreamClosed(): void;
  /** The next message that waits to be sent. */
  nextRequest(): Uint8Array | undefined;
  /** How many wait. */
  readonly pending: number;
}

export interface ControlStreamParts {
  readonly channel: GrpcChannel;
  readonly method: string;
  readonly protocol: StreamProtocol;
  readonly backOff: BackOff;
  readonly bucket: TokenBucket | undefined;
  /** Slots of `control_plane.`. */
  readonly stats: Float64Array;
}

export class ControlStream {
  private readonly parts: ControlStreamParts;
  private stream: GrpcStream | undefined;
  private retry: NodeJS.Timeout | undefined;
  private drainTimer: NodeJS.Timeout | undefined;
  private scheduled = false;
  private stopped = false;
  /** The last failure that was logged: a control plane that stays away is named once, not every second. */
  private told = '';

  constructor(parts: ControlStreamParts) {
    this.parts = parts;
    parts.stats[CONTROL_PLANE.slot.connected_state] = 0;
    parts.stats[CONTROL_PLANE.slot.pending_requests] += 0;
  }

  get open(): boolean {
    return this.stream !== undefined;
  }

  start(): void {
    const { channel, method, protocol, stats } = this.parts;
    if (this.stopped) return;
    this.retry = undefined;
    this.stream = channel.open(method, {
      onMessage: (bytes) => {
        this.parts.backOff.reset();
        this.told = '';
        stats[CONTROL_PLANE.slot.connected_state] = 1;
        protocol.onMessage(bytes);
      },
      onClosed: (status, message) => this.onClosed(status, message),
    });
    if (this.stream === undefined) {
      this.onClosed(14, 'no healthy upstream');
      return;
    }
    protocol.onStreamOpen();
    this.kick();
  }

  /** Something waits to be sent: it goes out with everything else of this turn. */
  kick(): void {
    if (this.scheduled || this.stream === undefined) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.drain();
    });
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    clearTimeout(this.drainTimer);
    this.stream?.close();
    this.stream = undefined;
  }

  private drain(): void {
    const { bucket, protocol, stats } = this.parts;
    if (this.drainTimer !== undefined) return;
    while (this.stream !== undefined && protocol.pending > 0) {
      const wait = bucket?.take() ?? 0;
      if (wait > 0) {
        stats[CONTROL_PLANE.slot.rate_limit_enforced]++;
        stats[CONTROL_PLANE.slot.pending_requests] = protocol.pending;
        this.drainTimer = setTimeout(() => {
          this.drainTimer = undefined;
          this.drain();
        }, wait);
        return;
      }
      const request = protocol.nextRequest();
      if (request === undefined) break;
      this.stream.send(request);
    }
    stats[CONTROL_PLANE.slot.pending_requests] = 0;
  }

  private onClosed(status: number, message: string): void {
    if (this.stopped) return;
    const { protocol, method, backOff, stats } = this.parts;
    this.stream = undefined;
    clearTimeout(this.drainTimer);
    this.drainTimer = undefined;
    stats[CONTROL_PLANE.slot.connected_state] = 0;
    const told = `${status} ${message}`;
    const wait = backOff.next();
    if (this.told !== told) log.warn(`${method.slice(1)} gRPC config stream closed: ${status}, ${message}`);
    else log.debug(`${method.slice(1)} gRPC config stream closed: ${status}, ${message}, again in ${wait} ms`);
    this.told = told;
    this.retry = setTimeout(() => this.start(), wait);
    protocol.onStreamClosed();
  }
}

/** Control path, step 3: the discovery stream to a control plane, asked no faster than allowed. */
import { logger } from '../../common/log.ts';
import { CONTROL_PLANE } from '../stats.ts';
import { LastingStream, type StreamOwner, type StreamParts } from './lasting_stream.ts';
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

export interface ControlStreamParts extends StreamParts {
  readonly protocol: StreamProtocol;
  readonly bucket: TokenBucket | undefined;
  /** Slots of `control_plane.`. */
  readonly stats: Float64Array;
}

export class ControlStream implements StreamOwner {
  private readonly parts: ControlStreamParts;
  private readonly stream: LastingStream;
  private drainTimer: NodeJS.Timeout | undefined;
  private scheduled = false;
  /** The last failure that was logged: a control plane that stays away is named once, not every second. */
  private told = '';

  constructor(parts: ControlStreamParts) {
    this.parts = parts;
    this.stream = new LastingStream(parts, this);
    parts.stats[CONTROL_PLANE.slot.connected_state] = 0;
    parts.stats[CONTROL_PLANE.slot.pending_requests] += 0;
  }

  get open(): boolean {
    return this.stream.isOpen;
  }

  start(): void {
    this.stream.start();
  }

  /** Something waits to be sent: it goes out with everything else of this turn. */
  kick(): void {
    if (this.scheduled || !this.stream.isOpen) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.drain();
    });
  }

  stop(): void {
    clearTimeout(this.drainTimer);
    this.stream.stop();
  }

  private drain(): void {
    const { bucket, protocol, stats } = this.parts;
    if (this.drainTimer !== undefined) return;
    while (this.stream.isOpen && protocol.pending > 0) {
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

  // === StreamOwner ===

  onStreamOpen(): void {
    this.parts.protocol.onStreamOpen();
    this.kick();
  }

  onMessage(bytes: Uint8Array): void {
    this.told = '';
    this.parts.stats[CONTROL_PLANE.slot.connected_state] = 1;
    this.parts.protocol.onMessage(bytes);
  }

  onStreamClosed(status: number, message: string, wait: number): void {
    const { protocol, method, stats } = this.parts;
    clearTimeout(this.drainTimer);
    this.drainTimer = undefined;
    stats[CONTROL_PLANE.slot.connected_state] = 0;
    const told = `${status} ${message}`;
    if (this.told !== told) log.warn(`${method.slice(1)} gRPC config stream closed: ${status}, ${message}`);
    else log.debug(`${method.slice(1)} gRPC config stream closed: ${status}, ${message}, again in ${wait} ms`);
    this.told = told;
    protocol.onStreamClosed();
  }
}

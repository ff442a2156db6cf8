/** How many frames that ask for nothing a peer may send: budgets that streams and data renew, but do not pile up. */
import type { Http2Options } from './codec.ts';

/** Envoy's allowance beside what streams and data give. */
const FIRST_WINDOW_UPDATES = 5;
const WINDOW_UPDATES_PER_STREAM = 2;
/** DATA frames whose window updates may still be on their way. */
const DATA_FRAMES_UNDER_WAY = 1000;

/**
 * Envoy counts over the life of a connection, which gives one that has carried 10,000 streams a budget of a million frames;
 * here a budget never holds more than the streams that are open now, or the data sent of late, account for.
 */
export class FloodLimits {
  private emptyFrames = 0;
  private priorityFrames: number;
  private windowUpdates = FIRST_WINDOW_UPDATES;
  private resets: number;
  /** Seconds since 1970: up to when resets have been allowed for. */
  private resetsAt = 0;
  private readonly resetBurst: number;
  private readonly resetRate: number;
  private readonly maxEmptyFrames: number;
  private readonly priorityFramesPerStream: number;
  private readonly windowUpdatesPerDataFrame: number;
  private readonly maxWindowUpdates: number;

  constructor(options: Http2Options) {
    this.resetBurst = options.streamResetBurst;
    this.resetRate = options.streamResetRate;
    this.resets = this.resetBurst;
    this.maxEmptyFrames = options.maxConsecutiveInboundFramesWithEmptyPayload;
    this.priorityFramesPerStream = options.maxInboundPriorityFramesPerStream;
    this.priorityFrames = this.priorityFramesPerStream;
    this.windowUpdatesPerDataFrame = 2 * options.maxInboundWindowUpdateFramesPerDataFrameSent;
    this.maxWindowUpdates = FIRST_WINDOW_UPDATES + this.windowUpdatesPerDataFrame * DATA_FRAMES_UNDER_WAY;
  }

  /** A DATA, HEADERS or CONTINUATION frame without END_STREAM; false when there were too many empty ones in a row. */
  frame(empty: boolean): boolean {
    this.emptyFrames = empty ? this.emptyFrames + 1 : 0;
    return this.emptyFrames <= this.maxEmptyFrames;
  }

  /** False: flooded. */
  priority(activeStreams: number): boolean {
    const most = this.priorityFramesPerStream * (1 + activeStreams);
    this.priorityFrames = Math.min(this.priorityFrames, most) - 1;
    return this.priorityFrames >= 0;
  }

  /** False: flooded. */
  windowUpdate(): boolean {
    return --this.windowUpdates >= 0;
  }

  /** The peer gave a stream up at this time; false: flooded. As nghttp2 counts: whole seconds bring more. */
  reset(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second > this.resetsAt) {
      this.resets = Math.min(this.resetBurst, this.resets + (second - this.resetsAt) * this.resetRate);
      this.resetsAt = second;
    }
    return --this.resets >= 0;
  }

  streamOpened(): void {
    this.priorityFrames += this.priorityFramesPerStream;
    this.addWindowUpdates(WINDOW_UPDATES_PER_STREAM);
  }

  dataFrameSent(): void {
    this.addWindowUpdates(this.windowUpdatesPerDataFrame);
  }

  private addWindowUpdates(count: number): void {
    this.windowUpdates = Math.min(this.windowUpdates + count, this.maxWindowUpdates);
  }
}

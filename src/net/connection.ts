/** A TCP connection as both ends of the data path use it: lent reads, gathered writes, one flush an event, bounded closing. */
import type { Socket } from 'node:net';
import { ipAddress, pipeAddress } from '../common/address.ts';
import { tick } from '../common/clock.ts';
import type { Address } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import { markDirty, runEvent } from './event.ts';
import { type ReadLease, readBufferFor, releaseLease, takeLease, unpinLease } from './read_buffers.ts';
import { countSocket } from './socket_budget.ts';

/** What a connection tells its owner. Bytes are lent for the call. `onClosed` comes exactly once and last. */
export interface ConnectionCallbacks {
  onConnected?(): void;
  onData(bytes: Buffer, start: number, end: number): void;
  /** The peer sent FIN; nothing more will be read. */
  onEnd(): void;
  /** The peer takes no more for now: stop producing until `onWritable`. */
  onBlocked(): void;
  /** Everything written has left, after `onBlocked`. */
  onWritable(): void;
  /** `reason` is a system error code such as ECONNRESET or ECONNREFUSED, or empty; `local` when we closed it. */
  onClosed(local: boolean, reason: string): void;
}

/** Where a connection counts its bytes: slots of a statistics block. */
export interface ByteCounters {
  readonly stats: Float64Array;
  readonly received: number;
  readonly sent: number;
  /** Gauge of the bytes that wait because the peer does not take them. */
  readonly waiting?: number;
}

/** Bodies up to this size are appended to the text of a head and leave in the same string. */
const inlineBody = 2048;
const slabSize = 64 * 1024;
/** Private bytes from this size on are cheaper to hand over than to copy. */
const handOverFrom = 8 * 1024;

let lastId = 0;
/** The lease the bytes of the current `onData` call lie in; undefined when they lie in the shared buffer. */
let currentLease: ReadLease | undefined;
/** One slab for the thread: free again at once unless a socket could not take all of it. */
let slab = Buffer.allocUnsafeSlow(slabSize);

const DelayedClose = 0;

export class Connection {
  readonly id: number;
  readonly socket: Socket;
  callbacks: ConnectionCallbacks;
  counters: ByteCounters | undefined;
  /** Set while a body streams in: reads then go to a private buffer that can be sent on without a copy. */
  bulk = false;
  /** Bytes that may be read ahead of a slow consumer: the configured buffer limit of its listener or cluster. */
  readonly bufferLimit: number;
  /** Milliseconds without progress after which a closing connection gives up what its peer does not take; 0: never. */
  flushTimeout = 1000;
  /** True between a write that did not leave at once and its drain. */
  blocked = false;
  closed = false;
  /** It was closed because its peer did not close in time. */
  closeTimedOut = false;
  dirty = false;
  private closing = false;
  private peerEnded = false;
  /** Reading begins with `start()`: until then a pause only counts. */
  started = true;
  private pauses = 0;
  /** Bytes that were gathered before they must leave; at most the slab, less with a smaller buffer limit. */
  private readonly gatherLimit: number;
  private readonly readBuffer: Buffer;
  /** What the gauge of waiting bytes holds of this connection. */
  private waiting = 0;
  private closeDelay = 0;
  private lease: ReadLease | undefined;
  /** A buffer has been named to the socket. */
  private reading = false;
  private pinned: ReadLease[] | undefined;
  private text = '';
  private slabUsed = 0;
  private slabOwner: Buffer | undefined;
  private error = '';
  private closeTimer: Timer | undefined;
  private readonly drained = () => runEvent(this, onDrain);

  constructor(socket: Socket, callbacks: ConnectionCallbacks, bufferLimit: number) {
    this.id = ++lastId;
    this.socket = socket;
    this.callbacks = callbacks;
    this.bufferLimit = bufferLimit;
    countSocket(1);
    this.readBuffer = readBufferFor(bufferLimit);
    this.gatherLimit = Math.min(slabSize, this.readBuffer.length);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('end', () => runEvent(this, onEnd));
    socket.on('close', () => runEvent(this, onClose));
  }

  /** The `onread.buffer` of the socket: which buffer the next read goes to; undefined keeps the present one. */
  nextReadBuffer(): Buffer | undefined {
    const { lease } = this;
    if (!this.bulk) {
      if (this.reading && lease === undefined) return undefined;
      this.reading = true;
      this.lease = undefined;
      if (lease !== undefined) releaseLease(lease);
      return this.readBuffer;
    }
    this.reading = true;
    if (lease !== undefined && lease.pins === 0) return undefined;
    if (lease !== undefined) releaseLease(lease);
    this.lease = takeLease(this.bufferLimit);
    return this.lease.buffer;
  }

  /** The `onread.callback` of the socket: `length` bytes are in the buffer that `nextReadBuffer` named last. */
  onRead(length: number): void {
    const { lease } = this;
    currentLease = lease;
    this.onBytes(lease === undefined ? this.readBuffer : lease.buffer, length);
    currentLease = undefined;
  }

  /** Bytes in a buffer that stays as it is for the call. */
  onBytes(bytes: Buffer, length: number): void {
    tick();
    const { counters } = this;
    if (counters !== undefined) counters.stats[counters.received] += length;
    runEvent(this, onData, bytes, length);
  }

  /** Appends latin1 text (a head, chunk framing) to what the next flush sends. */
  writeText(text: string): void {
    if (this.closing || this.closed) return;
    if (this.slabUsed > 0) {
      if (this.slabUsed + text.length <= slabSize) {
        this.slabUsed += this.slabOwner!.latin1Write(text, this.slabUsed);
        return;
      }
      this.flush();
    }
    this.text += text;
    markDirty(this);
  }

  /** Appends body bytes that are lent to the caller: small ones are copied, large private ones handed over as they are. */
  writeBytes(bytes: Buffer, start: number, end: number): void {
    if (this.closing || this.closed || start === end) return;
    const length = end - start;
    const { text } = this;
    if (length >= handOverFrom && text === '' && this.slabUsed === 0 && currentLease?.buffer === bytes) {
      this.handOver(bytes, start, end);
      return;
    }
    if (this.slabUsed === 0 && text.length + length <= inlineBody) {
      this.text = text === '' ? bytes.latin1Slice(start, end) : text + bytes.latin1Slice(start, end);
      markDirty(this);
      return;
    }
    if (text.length + this.slabUsed + length <= this.gatherLimit) {
      this.copyToSlab(bytes, start, end);
      return;
    }
    this.handOver(bytes, start, end);
  }

  /** Sends what was gathered; one write. Called at the end of each event for every connection that wrote. */
  flush(): void {
    this.dirty = false;
    if (this.closed) return;
    if (this.slabUsed > 0) this.flushSlab();
    else if (this.text !== '') {
      const { text } = this;
      this.text = '';
      this.count(text.length);
      this.socket.write(text, 'latin1');
    } else return;
    if (this.socket.writableLength > 0) this.block();
  }

  /** Stops reading until as many `resumeReading()` calls have come. */
  pauseReading(): void {
    if (this.pauses++ === 0 && this.started && !this.closed) this.socket.pause();
  }

  resumeReading(): void {
    if (--this.pauses === 0 && this.started && !this.closed) this.socket.resume();
  }

  /** Begins to read, unless the owner has paused: Node reads once in any case after a pause that follows a resume. */
  start(): void {
    this.started = true;
    if (this.pauses === 0 && !this.socket.destroyed) this.socket.resume();
  }

  /** Closes at once; unsent bytes are lost. */
  closeNow(): void {
    if (this.closed) return;
    this.closing = true;
    this.socket.destroy();
  }

  /** Closes with a TCP reset; a UNIX socket has none and is just closed. */
  reset(): void {
    if (this.closed) return;
    this.closing = true;
    if (this.socket.remoteFamily === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /**
   * Sends what is left, then closes. With `delay` > 0 (milliseconds) our side is shut first and the peer is given that long
   * to close its own, its bytes thrown away: closing at once while it still sends would reset the reply (RFC 9112 section 9.6).
   */
  closeAfterFlush(delay: number): void {
    if (this.closed || this.closing) return;
    this.flush();
    this.closing = true;
    if (delay === 0 && !this.blocked) {
      this.socket.destroy();
      return;
    }
    this.closeDelay = delay;
    this.endWrites();
    while (this.pauses > 0) this.resumeReading();
    this.closeTimer = new Timer(this, DelayedClose);
    if (this.blocked) this.startFlushTimer();
    else this.closeTimer.start(delay);
  }

  /** Sends FIN and keeps reading. */
  shutdownWrite(): void {
    if (this.closed || this.closing) return;
    this.flush();
    this.endWrites();
  }

  /** Node tells no 'drain' once the end is asked for. */
  private endWrites(): void {
    if (this.blocked) this.socket.once('finish', this.drained);
    this.socket.end();
  }

  get isClosing(): boolean {
    return this.closing || this.closed;
  }

  get remoteAddress(): Address {
    const { socket } = this;
    return socketAddress(socket.remoteAddress, socket.remotePort);
  }

  get localAddress(): Address {
    const { socket } = this;
    return socketAddress(socket.localAddress, socket.localPort);
  }

  /** The time to close is over, unless the peer still takes what we have for it: then it gets as long again. */
  onTimer(): void {
    if (this.blocked && this.socket.writableLength < this.waiting) {
      this.startFlushTimer();
      return;
    }
    this.closeTimedOut = true;
    this.socket.destroy();
  }

  private startFlushTimer(): void {
    this.noteWaiting(this.socket.writableLength);
    if (this.flushTimeout > 0) this.closeTimer!.start(this.flushTimeout);
  }

  private noteWaiting(bytes: number): void {
    const { counters } = this;
    if (counters?.waiting !== undefined) counters.stats[counters.waiting] += bytes - this.waiting;
    this.waiting = bytes;
  }

  private copyToSlab(bytes: Buffer, start: number, end: number): void {
    if (this.slabUsed === 0) {
      // The slab is the thread's: whoever gathers in it flushes before the next one may.
      slabHolder?.flush();
      slabHolder = this;
      this.slabOwner = slab;
      if (this.text !== '') {
        this.slabUsed = slab.latin1Write(this.text, 0);
        this.text = '';
      }
    }
    const target = this.slabOwner!;
    this.slabUsed += bytes.copy(target, this.slabUsed, start, end);
    markDirty(this);
  }

  private flushSlab(): void {
    const used = this.slabUsed;
    this.slabUsed = 0;
    slabHolder = undefined;
    this.count(used);
    this.socket.write(slab.subarray(0, used));
    // What the socket still holds is no longer ours to write to.
    if (this.socket.writableLength > 0) slab = Buffer.allocUnsafeSlow(slabSize);
  }

  private handOver(bytes: Buffer, start: number, end: number): void {
    const lease = currentLease !== undefined && currentLease.buffer === bytes ? currentLease : undefined;
    const piece = lease === undefined ? Buffer.from(bytes.subarray(start, end)) : bytes.subarray(start, end);
    const gathered = this.slabUsed > 0 || this.text !== '';
    if (gathered) this.socket.cork();
    this.flush();
    this.count(piece.length);
    this.socket.write(piece);
    if (gathered) this.socket.uncork();
    if (this.socket.writableLength === 0) return;
    if (lease !== undefined) {
      lease.pins++;
      this.pinned ??= [];
      this.pinned.push(lease);
    }
    this.block();
  }

  private count(bytes: number): void {
    const { counters } = this;
    if (counters !== undefined) counters.stats[counters.sent] += bytes;
  }

  private block(): void {
    this.noteWaiting(this.socket.writableLength);
    if (this.blocked) return;
    this.blocked = true;
    this.socket.once('drain', this.drained);
    this.callbacks.onBlocked();
  }

  markPeerEnded(): void {
    this.peerEnded = true;
  }

  unpin(): void {
    const { pinned } = this;
    if (pinned === undefined) return;
    this.pinned = undefined;
    for (const lease of pinned) unpinLease(lease);
  }

  /** Everything has left. */
  onDrained(): void {
    this.blocked = false;
    this.noteWaiting(0);
    this.unpin();
    if (!this.closing) this.callbacks.onWritable();
    else if (this.closeTimer !== undefined) {
      if (this.closeDelay === 0) this.socket.destroy();
      else this.closeTimer.start(this.closeDelay);
    }
  }

  /** The socket is gone: gives back its buffers and tells the owner. */
  finish(): void {
    if (this.closed) return;
    this.closed = true;
    countSocket(-1);
    this.noteWaiting(0);
    if (slabHolder === this) slabHolder = undefined;
    this.closeTimer?.stop();
    this.text = '';
    this.slabUsed = 0;
    this.unpin();
    if (this.lease !== undefined) releaseLease(this.lease);
    this.lease = undefined;
    this.callbacks.onClosed(this.closing && !this.peerEnded, this.error);
  }
}

let slabHolder: Connection | undefined;

function onData(connection: Connection, bytes: Buffer, length: number): void {
  if (!connection.isClosing) connection.callbacks.onData(bytes, 0, length);
}

function onEnd(connection: Connection): void {
  tick();
  if (connection.isClosing) {
    connection.socket.destroy();
    return;
  }
  connection.markPeerEnded();
  connection.callbacks.onEnd();
}

function onClose(connection: Connection): void {
  tick();
  connection.finish();
}

function onDrain(connection: Connection): void {
  tick();
  connection.onDrained();
}

function socketAddress(ip: string | undefined, port: number | undefined): Address {
  return ip === undefined || port === undefined ? pipeAddress('') : ipAddress(ip, port);
}

/** A connection as both ends of the data path use it, plain or TLS: lent reads, gathered writes, one flush an event, bounded closing. */
import type { Socket } from 'node:net';
import { ipAddress, pipeAddress } from '../common/address.ts';
import { tick } from '../common/clock.ts';
import type { Address, TlsInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import { nextConnectionId } from './connection_ids.ts';
import { markDirty, runEvent, runLater } from './event.ts';
import { lendLease, lendOwnBytes } from './lent_bytes.ts';
import { Output, type OutputOwner } from './output.ts';
import { type ReadLease, readBufferFor, releaseLease, takeLease } from './read_buffers.ts';
import { countSocket } from './socket_budget.ts';
import type { TlsHandshake, TlsStarter } from './tls_starter.ts';

/** What a connection tells its owner. Bytes are lent for the call. `onClosed` comes exactly once and last. */
export interface ConnectionCallbacks {
  /** Upstream: connected, and the TLS handshake done where there is one. Downstream: the handshake is done; plain connections never call it. */
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

const DelayedClose = 0;

export class Connection implements OutputOwner {
  readonly id: number;
  /** With TLS the one of the engine, once the client has said hello. */
  socket: Socket;
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
  /** The TLS session, from the end of the handshake on; undefined on plain connections. */
  tls: TlsInfo | undefined;
  /** Why the transport failed, in Envoy's words (`TLS_error:|…:TLS_error_end`); empty when it did not. */
  transportFailureReason = '';
  /** It was closed because its peer did not close in time. */
  closeTimedOut = false;
  /** Why its owner closes it, in Envoy's words; empty for no reason that Envoy names. */
  closeReason = '';
  dirty = false;
  private resetByUs = false;
  private closing = false;
  private peerEnded = false;
  /** Reading begins with `start()`: until then a pause only counts. */
  started = true;
  private pauses = 0;
  /** Bytes do not go straight to the owner: there is a handshake, or something unread. */
  private detour = false;
  /** Until the handshake is over. */
  private handshake: TlsHandshake | undefined;
  /** Bytes that were read and given back, in front of those to come. */
  private unreadBytes: Buffer | undefined;
  private startedTls = false;
  private endAfterUnread = false;
  private endAfterHandshake = false;
  /** The socket below TLS. */
  private readonly transport: Socket;
  private readonly output: Output;
  private readonly readBuffer: Buffer;
  /** What the gauge of waiting bytes holds of this connection. */
  private waiting = 0;
  private closeDelay = 0;
  private lease: ReadLease | undefined;
  /** A buffer has been named to the socket. */
  private reading = false;
  private error = '';
  private closeTimer: Timer | undefined;
  private readonly drained = () => runEvent(this, onDrain);

  constructor(socket: Socket, callbacks: ConnectionCallbacks, bufferLimit: number) {
    this.id = nextConnectionId();
    this.socket = socket;
    this.transport = socket;
    this.callbacks = callbacks;
    this.bufferLimit = bufferLimit;
    countSocket(1);
    this.readBuffer = readBufferFor(bufferLimit);
    this.output = new Output(this, this.readBuffer.length);
    this.listen(socket);
  }

  private listen(socket: Socket): void {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('end', () => {
      if (this.socket === socket) runEvent(this, onEnd);
    });
    // A TLS socket closes behind the one below it, and knows why.
    socket.on('close', () => {
      if (this.socket === socket) runEvent(this, onClose);
    });
  }

  /**
   * Speaks TLS from here on; before the first byte is read, or after all that was read has been given back. The owner may
   * write and pause at once: output leaves, and pauses hold, when the handshake is done and `onConnected` has been called.
   */
  startTls(starter: TlsStarter): void {
    this.startedTls = true;
    this.output.hold();
    this.handshake = starter.start(this);
    this.detour = true;
  }

  /** It speaks TLS, or is about to. */
  get isTls(): boolean {
    return this.startedTls;
  }

  /** Puts the TLS socket in the place of the one it is made over; its handshake goes on. */
  setTlsSocket(socket: Socket): void {
    this.socket = socket;
    this.listen(socket);
  }

  /** The handshake is done and the peer is who it must be. */
  onSecure(session: TlsInfo): void {
    if (this.isClosing) return;
    const { output, socket } = this;
    this.handshake = undefined;
    this.detour = this.unreadBytes !== undefined;
    this.tls = session;
    output.release();
    if (this.pauses > 0) socket.pause();
    this.callbacks.onConnected?.();
    if (this.blocked && output.isFull) socket.once('drain', this.drained);
    else if (this.blocked) this.onDrained();
    if (this.endAfterHandshake && !this.isClosing) this.endWrites();
  }

  /** The transport is of no use any more, as if the peer had closed it; `reason` is Envoy's text, empty when it has none. */
  failTransport(reason: string): void {
    if (this.closed) return;
    this.transportFailureReason ||= reason;
    this.peerEnded = true;
    this.closing = true;
    this.socket.destroy();
  }

  /** Gives back bytes that were read: the owner of the next event gets them first, the engine when TLS starts. They are copied. */
  unread(bytes: Buffer, start = 0, end = bytes.length): void {
    if (start === end) return;
    const copy = Buffer.from(bytes.subarray(start, end));
    this.unreadBytes = this.unreadBytes === undefined ? copy : Buffer.concat([copy, this.unreadBytes]);
    this.detour = true;
    runLater(this);
  }

  /** Delivers what was given back, unless the owner takes nothing for now. */
  runLater(): void {
    const bytes = this.unreadBytes;
    if (bytes === undefined || this.closed || (this.pauses > 0 && this.handshake === undefined)) return;
    this.unreadBytes = undefined;
    this.detour = this.handshake !== undefined;
    this.onBytes(bytes, bytes.length);
    if (!this.endAfterUnread || this.unreadBytes !== undefined) return;
    this.endAfterUnread = false;
    runEvent(this, onEnd);
  }

  /** True when the bytes are taken care of: by the handshake, or behind what is unread. */
  private takeDetour(bytes: Buffer, length: number): boolean {
    this.runLater();
    if (this.unreadBytes !== undefined) {
      this.unreadBytes = Buffer.concat([this.unreadBytes, bytes.subarray(0, length)]);
      return true;
    }
    if (this.handshake === undefined) return false;
    runEvent(this, onHandshakeBytes, bytes, length);
    return true;
  }

  /** FIN comes behind what is unread. */
  holdEnd(): boolean {
    this.runLater();
    this.endAfterUnread = this.unreadBytes !== undefined && !this.isClosing;
    return this.endAfterUnread;
  }

  /** The peer left before the handshake was done. */
  endHandshake(): boolean {
    if (this.handshake === undefined) return false;
    this.failTransport('');
    return true;
  }

  onHandshakeBytes(bytes: Buffer, length: number): void {
    if (!this.isClosing) this.handshake?.onBytes(bytes, length);
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
    lendLease(lease);
    this.onBytes(lease === undefined ? this.readBuffer : lease.buffer, length);
    lendLease(undefined);
  }

  /** Bytes in a buffer that is never written to again. */
  onPrivateBytes(bytes: Buffer): void {
    lendOwnBytes(bytes);
    this.onBytes(bytes, bytes.length);
    lendOwnBytes(undefined);
  }

  /** Bytes in a buffer that stays as it is for the call. */
  onBytes(bytes: Buffer, length: number): void {
    if (this.detour && this.takeDetour(bytes, length)) return;
    tick();
    const { counters } = this;
    if (counters !== undefined) counters.stats[counters.received] += length;
    runEvent(this, onData, bytes, length);
  }

  /** Appends latin1 text (a head, chunk framing) to what the next flush sends. */
  writeText(text: string): void {
    if (!this.isClosing) this.output.addText(text);
  }

  /** Appends body bytes that are lent to the caller: small ones are copied, large private ones handed over as they are. */
  writeBytes(bytes: Buffer, start: number, end: number): void {
    if (!this.isClosing && start !== end) this.output.addBytes(bytes, start, end);
  }

  /** Sends what was gathered; one write. Called at the end of each loop turn for every connection that wrote. */
  flush(): void {
    this.dirty = false;
    if (!this.closed && this.output.send() && this.output.isFull) this.onFull();
  }

  /** Stops reading until as many `resumeReading()` calls have come. */
  pauseReading(): void {
    if (this.pauses++ === 0 && this.started && !this.closed && this.handshake === undefined) this.socket.pause();
  }

  resumeReading(): void {
    if (--this.pauses !== 0 || !this.started || this.closed || this.handshake !== undefined) return;
    this.socket.resume();
    if (this.unreadBytes !== undefined) runLater(this);
  }

  /** Begins to read, unless the owner has paused: Node reads once in any case after a pause that follows a resume. */
  start(): void {
    this.started = true;
    if ((this.pauses === 0 || this.handshake !== undefined) && !this.socket.destroyed) this.socket.resume();
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
    else {
      this.resetByUs = true;
      this.transport.resetAndDestroy();
    }
  }

  /**
   * Sends what is left, then closes. With `delay` > 0 (milliseconds) our side is shut first and the peer is given that long
   * to close its own, its bytes thrown away: closing at once while it still sends would reset the reply (RFC 9112 section 9.6).
   */
  closeAfterFlush(delay: number): void {
    if (this.closed || this.closing) return;
    this.flush();
    this.closing = true;
    if (this.handshake !== undefined || (delay === 0 && !this.blocked && this.tls === undefined)) {
      this.socket.destroy();
      return;
    }
    // TLS says goodbye (close_notify) behind what was written; a socket that is just destroyed does not.
    if (this.tls !== undefined && delay === 0) this.blocked = true;
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
    if (this.handshake === undefined) this.endWrites();
    else this.endAfterHandshake = true;
  }

  /** Node tells no 'drain' once the end is asked for. */
  private endWrites(): void {
    if (this.blocked) this.socket.once('finish', this.drained);
    this.socket.end();
  }

  get isClosing(): boolean {
    return this.closing || this.closed;
  }

  /** How it ended, or that it has not: in Envoy's words. */
  get closeType(): 'Normal' | 'LocalReset' | 'RemoteReset' {
    if (this.resetByUs) return 'LocalReset';
    return this.error === 'ECONNRESET' ? 'RemoteReset' : 'Normal';
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

  // === OutputOwner ===

  get encrypts(): boolean {
    return this.tls !== undefined;
  }

  onGathered(): void {
    markDirty(this);
  }

  onSent(bytes: number): void {
    const { counters } = this;
    if (counters !== undefined) counters.stats[counters.sent] += bytes;
  }

  onFull(): void {
    this.noteWaiting(this.socket.writableLength);
    if (this.blocked) return;
    this.blocked = true;
    if (!this.output.isHeld) this.socket.once('drain', this.drained);
    this.callbacks.onBlocked();
  }

  markPeerEnded(): void {
    this.peerEnded = true;
  }

  /** Everything has left. */
  onDrained(): void {
    this.blocked = false;
    this.noteWaiting(0);
    this.output.unpin();
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
    this.closeTimer?.stop();
    this.output.drop();
    if (this.lease !== undefined) releaseLease(this.lease);
    this.lease = undefined;
    this.unreadBytes = undefined;
    this.handshake?.onGone();
    this.handshake = undefined;
    this.callbacks.onClosed(this.closing && !this.peerEnded, this.error);
  }
}

function onData(connection: Connection, bytes: Buffer, length: number): void {
  if (!connection.isClosing) connection.callbacks.onData(bytes, 0, length);
}

function onHandshakeBytes(connection: Connection, bytes: Buffer, length: number): void {
  connection.onHandshakeBytes(bytes, length);
}

function onEnd(connection: Connection): void {
  tick();
  if (connection.isClosing) {
    connection.socket.destroy();
    return;
  }
  if (connection.holdEnd() || connection.endHandshake()) return;
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

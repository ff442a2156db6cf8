/** What a connection has to send: text and bytes of one loop turn gathered into one write, copied only where they must be. */
import type { Socket } from 'node:net';
import { areOwn, arePrivate, pinLease } from './lent_bytes.ts';
import { type ReadLease, unpinLease } from './read_buffers.ts';

/** The connection, as its output sees it. */
export interface OutputOwner {
  /** Where bytes go now. */
  readonly socket: Socket;
  /** The socket encrypts. */
  readonly encrypts: boolean;
  /** There is something to send at the end of the loop turn. */
  onGathered(): void;
  /** Sends what is gathered, now; blocks when the peer does not take it. */
  flush(): void;
  /** The peer must take something before more is written. */
  onFull(): void;
  /** So many bytes go to the socket. */
  onSent(bytes: number): void;
}

/** Bodies up to this size are appended to the text of a head and leave in the same string. */
const inlineBody = 2048;
const slabSize = 64 * 1024;
/** Private bytes from this size on are cheaper to hand over than to copy. */
const handOverFrom = 8 * 1024;
/** A TLS socket tells a loop turn late that a write has left; only this many bytes (and more) are a peer that does not take them. */
export const tlsHighWater = 64 * 1024;

/** One slab for the thread: free again at once unless a socket could not take all of it. */
let slab = Buffer.allocUnsafeSlow(slabSize);
/** Whose bytes lie in it. */
let slabHolder: Output | undefined;

export class Output {
  private readonly owner: OutputOwner;
  /** Bytes that were gathered before they must leave; at most the slab, less with a smaller buffer limit. */
  private readonly limit: number;
  private text = '';
  private slabUsed = 0;
  /** What waits for a TLS socket to be sent by. */
  private held: Buffer[] | undefined;
  private pinned: ReadLease[] | undefined;

  constructor(owner: OutputOwner, limit: number) {
    this.owner = owner;
    this.limit = Math.min(slabSize, limit);
  }

  /** Nothing leaves until `release`. */
  hold(): void {
    this.held = [];
  }

  /** Sends what was held. */
  release(): void {
    const { held } = this;
    this.held = undefined;
    for (const bytes of held ?? []) this.owner.socket.write(bytes);
  }

  get isHeld(): boolean {
    return this.held !== undefined;
  }

  /** The peer must take something before more is written. A TLS socket owns up to every write a loop turn late. */
  get isFull(): boolean {
    const { held, owner } = this;
    if (held !== undefined) return held.length > 0;
    return owner.socket.writableLength >= (owner.encrypts ? tlsHighWater : 1);
  }

  /** Appends latin1 text. */
  addText(text: string): void {
    if (this.slabUsed > 0) {
      if (this.slabUsed + text.length <= slabSize) {
        this.slabUsed += slab.latin1Write(text, this.slabUsed);
        return;
      }
      this.owner.flush();
    }
    this.text += text;
    this.owner.onGathered();
  }

  /** Appends bytes that are lent: small ones are copied, large private ones handed over as they are. */
  addBytes(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    const { text } = this;
    if (length >= handOverFrom && text === '' && this.slabUsed === 0 && arePrivate(bytes)) {
      this.handOver(bytes, start, end);
    } else if (this.slabUsed === 0 && text.length + length <= inlineBody) {
      this.text = text === '' ? bytes.latin1Slice(start, end) : text + bytes.latin1Slice(start, end);
      this.owner.onGathered();
    } else if (text.length + this.slabUsed + length <= this.limit) this.copyToSlab(bytes, start, end);
    else this.handOver(bytes, start, end);
  }

  /** Sends what is gathered, in one write; false when nothing is. */
  send(): boolean {
    if (this.slabUsed > 0) {
      this.sendSlab();
      return true;
    }
    const { text } = this;
    if (text === '') return false;
    this.text = '';
    this.owner.onSent(text.length);
    if (this.held === undefined) this.owner.socket.write(text, 'latin1');
    else this.held.push(Buffer.from(text, 'latin1'));
    return true;
  }

  /** Everything has left: buffers that were being read are free. */
  unpin(): void {
    const { pinned } = this;
    if (pinned === undefined) return;
    this.pinned = undefined;
    for (const lease of pinned) unpinLease(lease);
  }

  /** The socket is gone, and what it has not sent with it. */
  drop(): void {
    if (slabHolder === this) slabHolder = undefined;
    this.text = '';
    this.slabUsed = 0;
    this.held = undefined;
    this.unpin();
  }

  private copyToSlab(bytes: Buffer, start: number, end: number): void {
    if (this.slabUsed === 0) {
      // The slab is the thread's: whoever gathers in it flushes before the next one may.
      slabHolder?.owner.flush();
      slabHolder = this;
      if (this.text !== '') {
        this.slabUsed = slab.latin1Write(this.text, 0);
        this.text = '';
      }
    }
    this.slabUsed += bytes.copy(slab, this.slabUsed, start, end);
    this.owner.onGathered();
  }

  private sendSlab(): void {
    const used = this.slabUsed;
    this.slabUsed = 0;
    slabHolder = undefined;
    this.owner.onSent(used);
    // What the socket still holds is no longer ours to write to.
    if (this.sendLent(slab.subarray(0, used))) slab = Buffer.allocUnsafeSlow(slabSize);
  }

  /** True when the socket goes on reading the bytes. TLS has encrypted them, unless a write is under way. */
  private sendLent(bytes: Buffer): boolean {
    const { held } = this;
    if (held !== undefined) {
      held.push(Buffer.from(bytes));
      return false;
    }
    const { socket, encrypts } = this.owner;
    const copied = encrypts && socket.writableLength === 0;
    socket.write(bytes);
    return !copied && socket.writableLength > 0;
  }

  private handOver(bytes: Buffer, start: number, end: number): void {
    const { owner } = this;
    const { socket, encrypts } = owner;
    // A TLS socket tells too late when a lease would be free again.
    const copied = encrypts && socket.writableLength === 0;
    const kept = copied || (encrypts ? areOwn(bytes) : arePrivate(bytes));
    const piece = kept ? bytes.subarray(start, end) : Buffer.from(bytes.subarray(start, end));
    const gathered = this.slabUsed > 0 || this.text !== '';
    if (gathered) socket.cork();
    owner.flush();
    owner.onSent(piece.length);
    if (this.held === undefined) socket.write(piece);
    else this.held.push(Buffer.from(piece));
    if (gathered) socket.uncork();
    if (this.held === undefined && !encrypts && socket.writableLength > 0) this.pin(bytes);
    if (this.isFull) owner.onFull();
  }

  /** The socket goes on reading these bytes: their buffer is not used again until it has drained. */
  private pin(bytes: Buffer): void {
    const lease = pinLease(bytes);
    if (lease === undefined) return;
    this.pinned ??= [];
    this.pinned.push(lease);
  }
}

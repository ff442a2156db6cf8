/** Buffers sockets read into: one shared for what is consumed at once, private pooled ones while a body streams. */

/** Messages and heads: every reader of it copies what must outlive the call. */
export const sharedReadBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** A private buffer of one socket; pinned while another socket still has to send bytes of it. */
export class ReadLease {
  readonly buffer: Buffer;
  pins = 0;
  /** The socket it was lent to has moved on to another one. */
  released = false;
  constructor(size: number) {
    this.buffer = Buffer.allocUnsafeSlow(size);
  }
}

const pooledSize = 256 * 1024;
const mostPooled = 64;
const pool: ReadLease[] = [];

/** A buffer for a socket that streams; `limit` is its configured buffer limit in bytes. */
export function takeLease(limit: number): ReadLease {
  if (limit < pooledSize) return new ReadLease(Math.max(limit, 16 * 1024));
  const lease = pool.pop() ?? new ReadLease(pooledSize);
  lease.released = false;
  return lease;
}

export function releaseLease(lease: ReadLease): void {
  lease.released = true;
  recycle(lease);
}

export function unpinLease(lease: ReadLease): void {
  lease.pins--;
  recycle(lease);
}

function recycle(lease: ReadLease): void {
  if (lease.released && lease.pins === 0 && lease.buffer.length === pooledSize && pool.length < mostPooled) {
    pool.push(lease);
  }
}

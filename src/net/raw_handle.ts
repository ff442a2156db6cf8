/**
 * The one place that touches private parts of Node: accepted handles before Node wraps them in a Socket of its own, and
 * the `onread` of TLS sockets of a server. Neither has a public `onread`; taking the handle saves 10-18 % of the CPU a
 * request. Where a private part is missing or looks different, nothing happens and connections read by the public way.
 */
import type { Server, Socket } from 'node:net';

/** Of a TCP connection; a UNIX socket has no setNoDelay. */
interface RawHandle {
  setNoDelay?(on: boolean): number;
  readStart?(): number;
}

interface ServerHandle {
  onconnection?: (this: ServerHandle, status: number, client: RawHandle | undefined) => void;
}

/** Lets `take` have every handle that `server` accepts from now on. Answers whether that was possible. */
export function takeRawHandles(server: Server, take: (handle: unknown) => void): boolean {
  if (process.env['NUNCIO_PUBLIC_ACCEPT'] === '1') return false;
  const handle = (server as unknown as { _handle?: ServerHandle })._handle;
  const wrapped = handle?.onconnection;
  if (handle === undefined || typeof wrapped !== 'function') return false;
  handle.onconnection = function onConnection(status, client) {
    if (status !== 0 || client === undefined || typeof client.readStart !== 'function') {
      wrapped.call(this, status, client);
      return;
    }
    client.setNoDelay?.(true);
    take(client);
  };
  return true;
}

/** What `onread` is to the constructor of a Socket. */
export interface ReadInto {
  /** The buffer for the next read; undefined keeps the present one. */
  readonly buffer: () => Uint8Array | undefined;
  readonly callback: (length: number) => boolean;
}

interface OwnRead {
  readonly [part: symbol]: unknown;
  readonly _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null;
}

/** Lets a socket read as if it had been made with `onread`. Answers whether that was possible. */
export function readInto(socket: Socket, { buffer, callback }: ReadInto): boolean {
  if (process.env['NUNCIO_PUBLIC_ACCEPT'] === '1') return false;
  const own = socket as unknown as OwnRead;
  const handle = own._handle;
  const parts = Object.getOwnPropertySymbols(socket);
  const [present, next, told] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map((name) =>
    parts.find(({ description }) => description === name),
  );
  const first = buffer();
  if (present === undefined || next === undefined || told === undefined || first === undefined) return false;
  if (own[present] !== null || typeof handle?.useUserBuffer !== 'function') return false;
  Object.assign(socket, { [present]: first, [next]: buffer, [told]: callback });
  handle.useUserBuffer(first);
  return true;
}

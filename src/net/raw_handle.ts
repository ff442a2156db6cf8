/**
 * The one place that touches a private part of Node: accepted handles before Node wraps them in a Socket of its own.
 * Accepted sockets have no public `onread`; taking the handle saves 10-18 % of the CPU a request. Where the private
 * part is missing or looks different, nothing happens and connections come by the public way.
 */
import type { Server } from 'node:net';

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

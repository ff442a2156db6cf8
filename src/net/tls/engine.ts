/**
 * The parts of Node's TLS sockets that have no public name: a server socket without a tls.Server. Each is asked for before it
 * is used; what is missing makes a peer unverified, never trusted.
 */
import type { TLSSocket } from 'node:tls';

interface Handle {
  verifyError?(): (Error & { code?: string }) | null | undefined;
  setOCSPResponse?(response: Buffer): void;
}

interface Engine {
  readonly _handle: Handle | null;
  _releaseControl?(): boolean;
}

/** What OpenSSL found wrong with the peer's chain: code and text; undefined when nothing. */
export function chainError(socket: TLSSocket): { code: string; text: string } | undefined {
  const handle = (socket as unknown as Engine)._handle;
  if (handle?.verifyError === undefined)
    return { code: 'UNSPECIFIED', text: 'certificate verification is not available' };
  const error = handle.verifyError();
  return error === null || error === undefined ? undefined : { code: error.code ?? '', text: error.message };
}

/** A server socket keeps errors to itself until it is told that somebody listens. */
export function tellErrors(socket: TLSSocket): void {
  (socket as unknown as Engine)._releaseControl?.();
}

/** The response goes out with the certificate, when the client asked for it. */
export function stapleOcsp(socket: TLSSocket, response: Buffer): boolean {
  const handle = (socket as unknown as Engine)._handle;
  if (handle?.setOCSPResponse === undefined) return false;
  handle.setOCSPResponse(response);
  return true;
}

/**
 * The parts of Node's TLS sockets that have no public name: a server socket without a tls.Server. Each is asked for before it
 * is used; what is missing makes a peer unverified, never trusted.
 */
import { randomBytes } from 'node:crypto';
import type { SecureContext, TLSSocket } from 'node:tls';

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

/** What a ticket's key says to OpenSSL: not known, known, or known and the client gets a new ticket. */
const TicketVerdict = { Unknown: 0, Open: 1, Renew: 2 } as const;
type TicketAnswer = readonly [verdict: number, hmac: Buffer, aes: Buffer, name?: Buffer, iv?: Buffer];

interface ContextHandle {
  enableTicketKeyCallback?(): void;
  onticketkeycallback?: (name: Buffer, iv: Buffer, seal: boolean) => TicketAnswer;
}

/**
 * Seals tickets with the first key and opens them with any, as BoringSSL in Envoy: Node's `ticketKeys` takes one. `keys` are
 * 48 bytes each: name, HMAC key, AES key. Without the handle's call the first key alone opens.
 */
export function openTickets({ context }: SecureContext, keys: readonly Buffer[]): void {
  const handle = context as ContextHandle;
  if (handle.enableTicketKeyCallback === undefined) return;
  const split = keys.map((key) => [key.subarray(0, 16), key.subarray(16, 32), key.subarray(32, 48)] as const);
  const [[firstName, firstHmac, firstAes]] = split;
  handle.enableTicketKeyCallback();
  handle.onticketkeycallback = (name, _iv, seal) => {
    if (seal) return [TicketVerdict.Open, firstHmac, firstAes, firstName, randomBytes(16)];
    const at = split.findIndex(([known]) => known.equals(name));
    if (at < 0) return [TicketVerdict.Unknown, firstHmac, firstAes];
    return [at === 0 ? TicketVerdict.Open : TicketVerdict.Renew, split[at][1], split[at][2]];
  };
}

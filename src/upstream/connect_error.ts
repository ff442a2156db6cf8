/** Envoy's words for a connect that failed: they stand in access logs and response code details. */
import type { ResetReason } from '../common/reset_reason.ts';

const texts: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
};

/** What the transport says when there is nothing it could connect from. */
const unbound = 'failed_to_bind_to_';

/** `source` is the address that was asked for, `code` the system's, e.g. EADDRNOTAVAIL. */
export function bindError(source: string, code: string): string {
  return `${unbound}${source}:_${textOf(code).replaceAll(' ', '_')}`;
}

/** The connection failed on our side: its transport failure reason is that of `bindError`. */
export function couldNotBind({ transportFailureReason }: { readonly transportFailureReason: string }): boolean {
  return transportFailureReason.startsWith(unbound);
}

/** Why there is no connection, in the words of resets. */
export function connectFailure(
  connection: { readonly transportFailureReason: string },
  code: string,
  address: string,
): { readonly reason: ResetReason; readonly detail: string } {
  const detail = connection.transportFailureReason || connectError(code, address);
  return { reason: couldNotBind(connection) ? 'local connection failure' : 'remote connection failure', detail };
}

/** What connect(2) itself answers; anything else about an IP address is heard later. */
const immediate = new Set(['EACCES', 'EADDRNOTAVAIL', 'EINVAL', 'ENETUNREACH']);

/** `code` is the system's, e.g. ECONNREFUSED; `address` the host's: UNIX sockets refuse at once, and Envoy then names them. */
function connectError(code: string, address = ''): string {
  const text = textOf(code);
  const isPipe = address.startsWith('/') || address.startsWith('@');
  if (address === '' || !(isPipe || immediate.has(code))) return `delayed connect error: ${text}`;
  return `immediate connect error: ${text}|remote address:${address}`;
}

function textOf(code: string): string {
  return texts[code] ?? code;
}

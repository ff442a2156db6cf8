/** Envoy's words for a connect that failed: they stand in access logs and response code details. */

const texts: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
};

/** What connect(2) itself answers; anything else about an IP address is heard later. */
const immediate = new Set(['EACCES', 'EADDRNOTAVAIL', 'EINVAL', 'ENETUNREACH']);

/** `code` is the system's, e.g. ECONNREFUSED; `address` the host's: UNIX sockets refuse at once, and Envoy then names them. */
export function connectError(code: string, address = ''): string {
  const text = texts[code] ?? code;
  const isPipe = address.startsWith('/') || address.startsWith('@');
  if (address === '' || !(isPipe || immediate.has(code))) return `delayed connect error: ${text}`;
  return `immediate connect error: ${text}|remote address:${address}`;
}

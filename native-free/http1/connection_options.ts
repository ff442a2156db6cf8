/** What the Connection field of a message says to the codec: persistence, and nominations that must be refused. */
import type { HeaderMap } from '../headers/header_map.ts';
import { CONNECTION, PROXY_CONNECTION, TE } from '../headers/well_known.ts';

/** Envoy refuses a nominated TE of this length or more. */
const MAX_NOMINATED_TE = 256;

export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
  /** Names Host, which is then as if it were missing. */
  host: boolean;
  /** Names a field whose removal would hide where the request came from: 400 on a request. */
  rejected: boolean;
}

export const NO_CONNECTION_OPTIONS: Readonly<ConnectionOptions> = Object.freeze({
  close: false,
  keepAlive: false,
  upgrade: false,
  host: false,
  rejected: false,
});

const CLOSE: Readonly<ConnectionOptions> = Object.freeze({ ...NO_CONNECTION_OPTIONS, close: true });
const KEEP_ALIVE: Readonly<ConnectionOptions> = Object.freeze({ ...NO_CONNECTION_OPTIONS, keepAlive: true });

/** For a message known to have a Connection or Proxy-Connection field. */
export function connectionOptions(headers: HeaderMap): Readonly<ConnectionOptions> {
  const value = headers.getAll(CONNECTION);
  const proxyValue = headers.getAll(PROXY_CONNECTION);
  if (proxyValue === undefined) {
    if (value === 'keep-alive' || value === 'Keep-Alive') return KEEP_ALIVE;
    if (value === 'close') return CLOSE;
  }
  const options = { ...NO_CONNECTION_OPTIONS };
  for (const option of tokens(value)) note(option, options, headers);
  // Not a standard field; some clients still send it to their proxy, and Envoy heeds its `close`.
  if (tokens(proxyValue).includes('close')) options.close = true;
  return options;
}

function tokens(value: string | undefined): string[] {
  if (value === undefined) return [];
  return value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
}

function note(option: string, options: ConnectionOptions, headers: HeaderMap): void {
  switch (option) {
    case 'close':
      options.close = true;
      break;
    case 'keep-alive':
      options.keepAlive = true;
      break;
    case 'upgrade':
      options.upgrade = true;
      break;
    case 'host':
      options.host = true;
      break;
    case 'x-forwarded-for':
    case 'x-forwarded-host':
    case 'x-forwarded-proto':
      options.rejected = true;
      break;
    case 'te':
      if ((headers.get(TE)?.length ?? 0) >= MAX_NOMINATED_TE) options.rejected = true;
      break;
    default:
      if (option.startsWith(':')) options.rejected = true;
  }
}

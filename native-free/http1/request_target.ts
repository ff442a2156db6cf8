/** The forms of a request target other than a path: absolute URL, `*` and CONNECT's authority (RFC 9112 section 3.2). */
import type { CodecError } from './codec.ts';
import { ERRORS } from './codec_errors.ts';

/** What the target says; an undefined authority leaves Host in force. */
export interface RequestTarget {
  readonly path: string;
  readonly authority: string | undefined;
  readonly scheme: string;
}

const ABSOLUTE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/;
/** The hosts Envoy takes here: narrower than in a Host field. */
const HOST_AND_PORT = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]+))?$/;
const MAX_PORT = 65535;

/** For targets that do not begin with `/`; answers a CodecError when there is no sense in it. */
export function parseTarget(method: string, target: string, allowAbsoluteUrl: boolean): RequestTarget | CodecError {
  if (method === 'CONNECT') return connectTarget(target);
  if (target === '*' && method === 'OPTIONS') return { path: '*', authority: undefined, scheme: '' };
  // Envoy hands the URL on as a path, which the connection manager refuses as not beginning with a slash.
  if (!allowAbsoluteUrl) return { path: target, authority: undefined, scheme: '' };
  if (target.startsWith('*')) return ERRORS.invalidUrl;
  const parts = ABSOLUTE.exec(target);
  if (parts === null) return ERRORS.relativeTarget;

  const scheme = parts[1].toLowerCase();
  const userinfoEnd = parts[2].indexOf('@');
  const authority = parts[2].slice(userinfoEnd + 1);
  if (!isHostAndPort(authority, false)) return ERRORS.invalidUrl;
  if (scheme !== 'http' && scheme !== 'https') return ERRORS.invalidScheme;
  return { path: parts[3] === '' ? '/' : parts[3], authority, scheme };
}

function connectTarget(target: string): RequestTarget | CodecError {
  if (!isHostAndPort(target, true)) return ERRORS.invalidUrl;
  return { path: '', authority: target, scheme: '' };
}

function isHostAndPort(text: string, needsPort: boolean): boolean {
  const parts = HOST_AND_PORT.exec(text);
  if (parts === null) return false;
  return parts[1] === undefined ? !needsPort : Number(parts[1]) <= MAX_PORT;
}

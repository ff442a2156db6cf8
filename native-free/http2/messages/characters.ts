/** Which characters pseudo-header fields may hold, as Envoy sees it. Values have passed as field values before. */
import { TOKEN_LOWER } from '../../headers/name_cache.ts';
import { AUTHORITY_BYTE } from '../../http1/characters.ts';

/** Any token: unlike HTTP/1's parser, Envoy's HTTP/2 codec knows no list of methods. */
export function isMethod(method: string): boolean {
  for (let i = 0; i < method.length; i++) {
    const code = method.charCodeAt(i);
    if (code > 0x7e || TOKEN_LOWER[code] === 0) return false;
  }
  return method !== '';
}

/** Neither space nor tab; high bytes may pass. */
export function isPath(path: string): boolean {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) <= 0x20) return false;
  return true;
}

/** As a Host in HTTP/1, but without userinfo (RFC 9113 section 8.3.1). */
export function isAuthority(authority: string): boolean {
  for (let i = 0; i < authority.length; i++) {
    const code = authority.charCodeAt(i);
    if (AUTHORITY_BYTE[code] !== 1 || code === 0x40) return false;
  }
  return true;
}

/** RFC 3986 section 3.1. */
export function isScheme(scheme: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme);
}

/** 1*DIGIT below 2^53, else -1. */
export function contentLengthOf(value: string): number {
  if (value === '') return -1;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
    if (length > Number.MAX_SAFE_INTEGER) return -1;
  }
  return length;
}

/** Three digits from 100 on, else 0. */
export function statusOf(value: string): number {
  if (value === '200') return 200;
  const status = value.length === 3 ? contentLengthOf(value) : 0;
  return status < 100 ? 0 : status;
}

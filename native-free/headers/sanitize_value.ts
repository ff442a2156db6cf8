/** Makes text from configuration, formatters or certificates fit for a header value, before it enters a HeaderMap. */

const UNSAFE = /[\r\n\0]/;
const UNSAFE_ALL = /[\r\n\0]/g;

/** Drops CR, LF and NUL (RFC 9110 section 5.5); everything else stays. */
export function sanitizeValue(value: string): string {
  return UNSAFE.test(value) ? value.replace(UNSAFE_ALL, '') : value;
}

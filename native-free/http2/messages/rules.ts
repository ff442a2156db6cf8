/** The limits and choices by which messages are read; the names are those of Http2Options. */
import type { Http2Options } from '../codec.ts';

export type MessageRules = Pick<
  Http2Options,
  'maxHeaderBytes' | 'maxHeaders' | 'headersWithUnderscores' | 'allowConnect'
>;

/** As in Envoy an extended CONNECT for this protocol stays a CONNECT, though it has a path; it is no upgrade. */
export const BYTE_STREAM = 'bytestream';

/** Whether a body of `received` bytes so far breaks the message's content-length; -1 is none (RFC 9113 section 8.1.1). */
export function breaksContentLength(contentLength: number, received: number, endStream: boolean): boolean {
  if (contentLength < 0) return false;
  return endStream ? received !== contentLength : received > contentLength;
}

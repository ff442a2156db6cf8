/** OCSP responses (RFC 6960 section 4.2), as far as is needed to know how long one may be stapled. */
import { childrenOf, elementAt, tag, timeOf } from './der.ts';

/**
 * Until when it holds, in milliseconds since 1970; infinite without a nextUpdate. Throws a RangeError on what is no successful
 * response.
 */
export function ocspExpiry(der: Buffer): number {
  const [status, wrapped] = childrenOf(der, elementAt(der, 0));
  if (status === undefined || der[status.start] !== 0 || wrapped?.tag !== tag.context0)
    throw new RangeError('OCSP response was unsuccessful');
  const [, content] = childrenOf(der, elementAt(der, wrapped.start));
  if (content?.tag !== tag.octetString) throw new RangeError('OCSP response has no content');
  const [data] = childrenOf(der, elementAt(der, content.start));
  const responses = childrenOf(der, data).find((part) => part.tag === tag.sequence);
  const [first, ...others] = responses === undefined ? [] : childrenOf(der, responses);
  if (first === undefined || others.length > 0) throw new RangeError('OCSP Response must be for one certificate only');
  // SingleResponse: certID, certStatus, thisUpdate, nextUpdate [0].
  const nextUpdate = childrenOf(der, first)
    .slice(2)
    .find((part) => part.tag === tag.context0);
  return nextUpdate === undefined ? Number.POSITIVE_INFINITY : timeOf(der, elementAt(der, nextUpdate.start));
}

/** The TLS feature extension (RFC 7633): clients are told that a response will be stapled. */
export function mustStaple(certificate: Buffer): boolean {
  return certificate.includes(tlsFeature);
}

const tlsFeature = Buffer.from('06082b06010505070118', 'hex');

/** From the fields of a header block behind a body to trailers (RFC 9113 section 8.1), of requests and responses. */
import type { HeaderMap } from '../../headers/header_map.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import type { Http2Error } from '../codec.ts';
import { FieldRole } from '../hpack/field_kind.ts';
import { ERRORS } from './errors.ts';
import { FieldCollector } from './field_collector.ts';

export class TrailersReader extends FieldCollector {
  /** After the block has been decoded. */
  finish(endStream: boolean): HeaderMap | Http2Error {
    if (this.error === undefined && !endStream) this.error = ERRORS.endlessTrailers;
    return this.error ?? this.take();
  }

  /** RFC 9110 section 6.5.1: fields of framing and routing must not be merged with the head's, so they end here. */
  protected override special(role: number, name: HeaderName, value: string): Http2Error | undefined {
    if (role <= FieldRole.UnknownPseudo) return ERRORS.pseudoUnknown;
    if (role === FieldRole.Cookie) this.headers.add(name, value);
    return undefined;
  }
}

/** From the fields of a header block to a response's head (RFC 9113 section 8.3.2), as the router wants it. */
import type { ResponseHead } from '../../headers/header_map.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import { CONNECTION, CONTENT_LENGTH, COOKIE, UPGRADE } from '../../headers/well_known.ts';
import { neverHasBody, opensTunnel } from '../../http1/framing.ts';
import type { Http2Error } from '../codec.ts';
import { FieldRole } from '../hpack/field_kind.ts';
import { contentLengthOf, statusOf } from './characters.ts';
import { ERRORS } from './errors.ts';
import { FieldCollector } from './field_collector.ts';

export class ResponseReader extends FieldCollector {
  /** Bytes the body must have; -1: any number. 0 for a response without a body, whatever its content-length says. */
  contentLength = -1;
  private status = 0;
  private cookie = '';

  override begin(): void {
    super.begin();
    this.contentLength = -1;
    this.status = 0;
    this.cookie = '';
  }

  /**
   * After the block has been decoded; informational heads (status below 200) come this way too. `method` is the request's
   * as its owner gave it, `upgrade` the protocol it asked for or empty: a 200 to it becomes the 101 its owner waits for.
   */
  finish(endStream: boolean, method: string, upgrade: string): ResponseHead | Http2Error {
    const { status } = this;
    if (this.error === undefined && status === 0) this.error = ERRORS.pseudoMissing;
    if (this.error === undefined) this.error = this.bodyError(endStream, method);
    if (this.error !== undefined) return this.error;
    const headers = this.take();
    if (this.cookie !== '') headers.add(COOKIE, this.cookie);
    if (upgrade !== '' && status === 200) {
      this.contentLength = -1;
      headers.remove(CONTENT_LENGTH);
      headers.add(UPGRADE, upgrade);
      headers.add(CONNECTION, 'upgrade');
      return { status: 101, protocol: 'HTTP/2', headers };
    }
    if (opensTunnel(method, status)) {
      this.contentLength = -1;
      headers.remove(CONTENT_LENGTH);
    } else if (status === 204) {
      headers.remove(CONTENT_LENGTH);
    }
    return { status, protocol: 'HTTP/2', headers };
  }

  protected override special(role: number, name: HeaderName, value: string): Http2Error | undefined {
    switch (role) {
      case FieldRole.Status:
        if (this.status !== 0) return ERRORS.pseudoTwice;
        this.status = statusOf(value);
        // RFC 9113 section 8.6: HTTP/2 has no 101.
        return this.status === 0 || this.status === 101 ? ERRORS.status : undefined;
      case FieldRole.Cookie:
        if (value !== '') this.cookie = this.cookie === '' ? value : `${this.cookie}; ${value}`;
        return undefined;
      case FieldRole.ContentLength:
        if (this.contentLength >= 0) return ERRORS.contentLength;
        this.contentLength = contentLengthOf(value);
        this.headers.add(name, value);
        return this.contentLength < 0 ? ERRORS.contentLength : undefined;
      case FieldRole.Te:
      case FieldRole.Host:
        this.headers.add(name, value);
        return undefined;
      default:
        return ERRORS.pseudoUnknown;
    }
  }

  private bodyError(endStream: boolean, method: string): Http2Error | undefined {
    const { status } = this;
    if (status < 200) {
      if (endStream) return ERRORS.endedInformational;
      return this.contentLength >= 0 ? ERRORS.bodilessLength : undefined;
    }
    if (neverHasBody(status) && this.contentLength > 0) return ERRORS.bodilessLength;
    if (neverHasBody(status) || status === 304 || method === 'HEAD') {
      this.contentLength = 0;
      return undefined;
    }
    return endStream && this.contentLength > 0 && !opensTunnel(method, status) ? ERRORS.lengthWithoutBody : undefined;
  }
}

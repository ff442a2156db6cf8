/** From the fields of a header block to a request's head (RFC 9113 section 8.3.1), as the connection manager wants it. */
import type { RequestHead } from '../../headers/header_map.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import { CONNECTION, CONTENT_LENGTH, COOKIE, UPGRADE } from '../../headers/well_known.ts';
import type { Http2Error } from '../codec.ts';
import { FieldRole } from '../hpack/field_kind.ts';
import { contentLengthOf, isAuthority, isMethod, isPath, isScheme } from './characters.ts';
import { ERRORS } from './errors.ts';
import { FieldCollector } from './field_collector.ts';
import { BYTE_STREAM } from './rules.ts';

export class RequestReader extends FieldCollector {
  /** What the request wants its stream to become: the protocol of an extended CONNECT, `CONNECT`, or empty. */
  upgrade = '';
  /** -1 without a content-length. */
  contentLength = -1;

  private method = '';
  private scheme = '';
  private authority = '';
  private path = '';
  private protocol = '';
  private host = '';
  private cookie = '';
  /** The authority that was in order last: on a connection it is mostly the same. */
  private goodAuthority = '';

  override begin(): void {
    super.begin();
    this.upgrade = '';
    this.contentLength = -1;
    this.method = '';
    this.scheme = '';
    this.authority = '';
    this.path = '';
    this.protocol = '';
    this.host = '';
    this.cookie = '';
  }

  /** After the block has been decoded. */
  finish(endStream: boolean): RequestHead | Http2Error {
    if (this.error === undefined) this.error = this.formError(endStream);
    if (this.error !== undefined) return this.error;
    const { path, scheme, method } = this;
    const headers = this.take();
    // RFC 9113 section 8.2.3: crumbs become one field; it goes where Envoy puts it.
    if (this.cookie !== '') headers.add(COOKIE, this.cookie);
    const authority = this.authority !== '' ? this.authority : this.host;
    if (method !== 'CONNECT') return { method, path, authority, scheme, protocol: 'HTTP/2', headers };
    if (this.protocol === '' || this.protocol === BYTE_STREAM) {
      this.upgrade = method;
      this.contentLength = -1;
      headers.remove(CONTENT_LENGTH);
      return { method, path, authority, scheme, protocol: 'HTTP/2', headers };
    }
    // RFC 8441: for everyone behind the codec it is the upgrade that an HTTP/1 client would ask for.
    this.upgrade = this.protocol;
    headers.add(UPGRADE, this.protocol);
    headers.add(CONNECTION, 'upgrade');
    return { method: 'GET', path, authority, scheme, protocol: 'HTTP/2', headers };
  }

  protected override special(role: number, name: HeaderName, value: string): Http2Error | undefined {
    switch (role) {
      case FieldRole.Method:
        if (this.method !== '') return ERRORS.pseudoTwice;
        this.method = value;
        return value === 'GET' || value === 'POST' || isMethod(value) ? undefined : ERRORS.method;
      case FieldRole.Path:
        if (this.path !== '') return ERRORS.pseudoTwice;
        this.path = value;
        return isPath(value) ? undefined : ERRORS.path;
      case FieldRole.Authority:
        if (this.authority !== '') return ERRORS.pseudoTwice;
        this.authority = value;
        return this.authorityError(value);
      case FieldRole.Scheme:
        if (this.scheme !== '') return ERRORS.pseudoTwice;
        this.scheme = value;
        if (value === 'http' || value === 'https') return undefined;
        this.scheme = value.toLowerCase();
        return isScheme(value) ? undefined : ERRORS.scheme;
      case FieldRole.Protocol:
        if (!this.rules.allowConnect) return ERRORS.pseudoUnknown;
        if (this.protocol !== '') return ERRORS.pseudoTwice;
        this.protocol = value;
        return undefined;
      case FieldRole.Host:
        if (this.host !== '') return ERRORS.hostTwice;
        this.host = value;
        return value === '' ? ERRORS.authority : this.authorityError(value);
      case FieldRole.Cookie:
        if (value !== '') this.cookie = this.cookie === '' ? value : `${this.cookie}; ${value}`;
        return undefined;
      case FieldRole.ContentLength:
        if (this.contentLength >= 0) return ERRORS.contentLength;
        this.contentLength = contentLengthOf(value);
        this.headers.add(name, value);
        return this.contentLength < 0 ? ERRORS.contentLength : undefined;
      case FieldRole.Te:
        this.headers.add(name, value);
        return undefined;
      default:
        return ERRORS.pseudoUnknown;
    }
  }

  private authorityError(value: string): Http2Error | undefined {
    if (value === this.goodAuthority) return undefined;
    if (!isAuthority(value)) return ERRORS.authority;
    this.goodAuthority = value;
    return undefined;
  }

  /** Section 8.5 for CONNECT, RFC 8441 section 4 for the extended one. */
  private formError(endStream: boolean): Http2Error | undefined {
    const { method, path, scheme, protocol } = this;
    if (method === 'CONNECT' && protocol === '') {
      return this.authority === '' || path !== '' || scheme !== '' ? ERRORS.pseudoMissing : undefined;
    }
    if (method === '' || path === '' || scheme === '') return ERRORS.pseudoMissing;
    if (protocol !== '') {
      if (method !== 'CONNECT' || this.authority === '') return ERRORS.pseudoMissing;
    } else if (this.authority === '' && this.host === '') {
      return ERRORS.pseudoMissing;
    }
    if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) return ERRORS.pathForm;
    return endStream && this.contentLength > 0 ? ERRORS.lengthWithoutBody : undefined;
  }
}

/** What the readers of heads and trailers have in common: limits, names, and the plain fields, which are most. */
import { HeaderMap } from '../../headers/header_map.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import type { Http2Error } from '../codec.ts';
import { FieldFlag, FieldRole, ROLE_MASK } from '../hpack/field_kind.ts';
import { ENTRY_OVERHEAD, type HeaderSink } from '../hpack/header_field.ts';
import { ERRORS } from './errors.ts';
import type { MessageRules } from './rules.ts';

const NO_HEADERS = new HeaderMap();
const BAD = FieldFlag.BadName | FieldFlag.BadValue;

/** From the first refusal on nothing is stored. */
export abstract class FieldCollector implements HeaderSink {
  /** Fields left out for their underscore; counted on until the owner sets it back. */
  dropped = 0;
  protected readonly rules: MessageRules;
  protected headers = NO_HEADERS;
  protected error: Http2Error | undefined = undefined;
  /** A field that is no pseudo-header field has come. */
  protected regular = false;
  private fields = 0;
  private bytes = 0;

  constructor(rules: MessageRules) {
    this.rules = rules;
  }

  /** Before each block. */
  begin(): void {
    this.headers = new HeaderMap();
    this.error = undefined;
    this.regular = false;
    this.fields = 0;
    this.bytes = 0;
  }

  field(name: HeaderName, value: string, kind: number, size: number): void {
    if (this.error !== undefined) return;
    // As Envoy counts: pseudo-header fields and cookie crumbs too, each with the bytes of name and value.
    this.bytes += size - ENTRY_OVERHEAD;
    if (this.bytes > this.rules.maxHeaderBytes) {
      this.error = ERRORS.headersTooLarge;
    } else if (++this.fields > this.rules.maxHeaders) {
      this.error = ERRORS.tooManyHeaders;
    } else if (kind === FieldRole.Plain) {
      this.regular = true;
      this.headers.names.push(name);
      this.headers.values.push(value);
    } else {
      this.judge(name, value, kind);
    }
  }

  /** A field whose role is not Plain; its name and value are in order. */
  protected abstract special(role: number, name: HeaderName, value: string): Http2Error | undefined;

  /** Hands the map over. */
  protected take(): HeaderMap {
    const { headers } = this;
    this.headers = NO_HEADERS;
    return headers;
  }

  private judge(name: HeaderName, value: string, kind: number): void {
    if ((kind & BAD) !== 0) {
      this.error = (kind & FieldFlag.BadName) !== 0 ? ERRORS.fieldName : ERRORS.fieldValue;
      return;
    }
    if ((kind & FieldFlag.NeverIndexed) !== 0) this.neverIndex(name);
    const role = kind & ROLE_MASK;
    if (role >= FieldRole.Method && role <= FieldRole.UnknownPseudo) {
      this.error = this.pseudoError(role, value, kind) ?? this.special(role, name, value);
      return;
    }
    this.regular = true;
    if ((kind & FieldFlag.Underscore) !== 0 && this.rules.headersWithUnderscores !== 'ALLOW') {
      if (this.rules.headersWithUnderscores === 'DROP_HEADER') this.dropped++;
      else this.error = ERRORS.underscore;
      return;
    }
    // RFC 9113 section 8.2.1 calls a padded value malformed; Envoy lets it pass. It is passed without its padding.
    const text = (kind & FieldFlag.PaddedValue) !== 0 ? trimmed(value) : value;
    if (role === FieldRole.Plain) this.headers.add(name, text);
    else if (role === FieldRole.ConnectionSpecific) this.error = ERRORS.connectionSpecific;
    else if (role === FieldRole.Te && text.toLowerCase() !== 'trailers') this.error = ERRORS.te;
    else this.error = this.special(role, name, text);
  }

  private pseudoError(role: number, value: string, kind: number): Http2Error | undefined {
    if (role === FieldRole.UnknownPseudo) return ERRORS.pseudoUnknown;
    if (this.regular) return ERRORS.pseudoOrder;
    if (value === '') return ERRORS.pseudoValue;
    return (kind & FieldFlag.PaddedValue) !== 0 ? ERRORS.fieldValue : undefined;
  }

  private neverIndex(name: HeaderName): void {
    const { headers } = this;
    headers.neverIndexed ??= [];
    if (!headers.neverIndexed.includes(name)) headers.neverIndexed.push(name);
  }
}

/** Spaces and tabs only, unlike `trim`. */
function trimmed(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

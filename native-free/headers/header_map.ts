/** An ordered multimap of headers, as all codecs produce and all filters edit: two parallel arrays, looked up by name identity. */
import type { HeaderName } from './header_name.ts';
import type { HeaderSpelling } from './header_spelling.ts';

/**
 * Headers in wire order. Pseudo headers are not in here: method, path, authority, scheme and status are fields of the
 * message head. A name may occur several times. Values never hold CR, LF or NUL: codecs refuse them, `sanitizeValue` drops them.
 */
export class HeaderMap {
  readonly names: HeaderName[] = [];
  readonly values: string[] = [];
  /** How the names of this message are to be spelt on an HTTP/1 wire; undefined: in lower case. */
  spelling: HeaderSpelling | undefined = undefined;
  /** Names whose fields came over HTTP/2 as never to be indexed: whoever sends them on must not either (RFC 7541 section 6.2.3). */
  neverIndexed: HeaderName[] | undefined = undefined;

  get size(): number {
    return this.names.length;
  }

  /** The first value of this name. */
  get(name: HeaderName): string | undefined {
    const index = indexOf(this.names, name, 0);
    return index < 0 ? undefined : this.values[index];
  }

  has(name: HeaderName): boolean {
    return indexOf(this.names, name, 0) >= 0;
  }

  /** All values of this name joined with `,`, as Envoy matches and logs repeated headers. */
  getAll(name: HeaderName): string | undefined {
    const first = indexOf(this.names, name, 0);
    if (first < 0) return undefined;
    let joined = this.values[first];
    for (let i = indexOf(this.names, name, first + 1); i >= 0; i = indexOf(this.names, name, i + 1)) {
      joined += `,${this.values[i]}`;
    }
    return joined;
  }

  /** Adds a field at the end, whatever is there. */
  add(name: HeaderName, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }

  /** Overwrites the first field of this name in place and removes the others; adds it at the end when there is none. */
  set(name: HeaderName, value: string): void {
    const first = indexOf(this.names, name, 0);
    if (first < 0) {
      this.add(name, value);
      return;
    }
    this.values[first] = value;
    this.removeFrom(name, first + 1);
  }

  /** Removes every field of this name; tells whether there was one. */
  remove(name: HeaderName): boolean {
    return this.removeFrom(name, 0);
  }

  /** Removes every field for which `drop` answers true. */
  removeIf(drop: (name: HeaderName, value: string) => boolean): void {
    const { names, values } = this;
    let kept = 0;
    for (let i = 0; i < names.length; i++) {
      if (drop(names[i], values[i])) continue;
      names[kept] = names[i];
      values[kept] = values[i];
      kept++;
    }
    this.truncate(kept);
  }

  /** Removes every field whose name has one of these flags. */
  removeFlagged(flags: number): void {
    const { names, values } = this;
    let kept = 0;
    for (let i = 0; i < names.length; i++) {
      if ((names[i].flags & flags) !== 0) continue;
      names[kept] = names[i];
      values[kept] = values[i];
      kept++;
    }
    this.truncate(kept);
  }

  clone(): HeaderMap {
    const copy = new HeaderMap();
    for (let i = 0; i < this.names.length; i++) copy.add(this.names[i], this.values[i]);
    copy.spelling = this.spelling;
    copy.neverIndexed = this.neverIndexed;
    return copy;
  }

  private removeFrom(name: HeaderName, start: number): boolean {
    const { names, values } = this;
    let kept = indexOf(names, name, start);
    if (kept < 0) return false;
    for (let i = kept + 1; i < names.length; i++) {
      if (names[i] === name) continue;
      names[kept] = names[i];
      values[kept] = values[i];
      kept++;
    }
    this.truncate(kept);
    return true;
  }

  /** Setting the length of an array is a call out of compiled code, pop() is not. */
  private truncate(length: number): void {
    const { names, values } = this;
    while (names.length > length) {
      names.pop();
      values.pop();
    }
  }
}

/** Maps are short: this loop is inlined, where Array's own indexOf is a call. */
function indexOf(names: readonly HeaderName[], name: HeaderName, from: number): number {
  for (let i = from; i < names.length; i++) if (names[i] === name) return i;
  return -1;
}

/** The head of a request, whatever protocol carried it. */
export interface RequestHead {
  method: string;
  /** Path with query, as received; empty for CONNECT without `:path`. */
  path: string;
  /** Host header, or the authority of an absolute target, or `:authority`. */
  authority: string;
  /** `http` or `https`; set by the connection manager. */
  scheme: string;
  protocol: Protocol;
  headers: HeaderMap;
}

/** The head of a response, whatever protocol carried it. */
export interface ResponseHead {
  status: number;
  protocol: Protocol;
  headers: HeaderMap;
}

export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'HTTP/3';

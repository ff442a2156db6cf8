/** Step 7 of the data path: the virtual host for a host, found by maps: exact, longest `*suffix`, longest `prefix*`, `*`. */
import { asciiLowerCase, toWire } from '../common/wire_string.ts';

/** Wildcard domains of one kind by their length without the star, the longest first. */
interface Wildcards<T> {
  readonly length: number;
  readonly hosts: Map<string, T>;
}

export class VirtualHostIndex<T> {
  private readonly exact = new Map<string, T>();
  private readonly suffixes: Wildcards<T>[] = [];
  private readonly prefixes: Wildcards<T>[] = [];
  private fallback: T | undefined;

  /** False when another virtual host has this domain. */
  add(domain: string, host: T): boolean {
    const name = asciiLowerCase(toWire(domain));
    if (name === '*') {
      if (this.fallback !== undefined) return false;
      this.fallback = host;
      return true;
    }
    if (name[0] === '*') return addNew(wildcards(this.suffixes, name.length - 1), name.slice(1), host);
    if (name.endsWith('*')) return addNew(wildcards(this.prefixes, name.length - 1), name.slice(0, -1), host);
    return addNew(this.exact, name, host);
  }

  find(authority: string, ignorePort: boolean): T | undefined {
    const { exact, suffixes, prefixes } = this;
    if (exact.size === 0 && suffixes.length === 0 && prefixes.length === 0) return this.fallback;
    const host = asciiLowerCase(ignorePort ? withoutPort(authority) : authority);
    const found = exact.get(host);
    if (found !== undefined) return found;
    for (const { length, hosts } of suffixes) {
      // A wildcard stands for at least one character.
      if (length >= host.length) continue;
      const match = hosts.get(host.slice(host.length - length));
      if (match !== undefined) return match;
    }
    for (const { length, hosts } of prefixes) {
      if (length >= host.length) continue;
      const match = hosts.get(host.slice(0, length));
      if (match !== undefined) return match;
    }
    return this.fallback;
  }
}

/** The host of an authority; the colons of an IPv6 address stand within brackets (RFC 3986 section 3.2.2). */
function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon < 0 || authority.lastIndexOf(']') > colon ? authority : authority.slice(0, colon);
}

function wildcards<T>(list: Wildcards<T>[], length: number): Map<string, T> {
  const known = list.find((entry) => entry.length === length);
  if (known !== undefined) return known.hosts;
  const hosts = new Map<string, T>();
  list.push({ length, hosts });
  list.sort((a, b) => b.length - a.length);
  return hosts;
}

function addNew<T>(map: Map<string, T>, key: string, value: T): boolean {
  if (map.has(key)) return false;
  map.set(key, value);
  return true;
}

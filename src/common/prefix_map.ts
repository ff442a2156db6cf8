/** Values by ranges of IP addresses: the most specific range that holds an address names its value. */
import { ipVersion } from './address.ts';
import { ipBits } from './cidr.ts';

/** The ranges of one length. */
interface Level<T> {
  readonly shift: bigint;
  readonly values: Map<bigint, T>;
}

export class PrefixMap<T> {
  private readonly levels: { readonly 4: Level<T>[]; readonly 6: Level<T>[] } = { 4: [], 6: [] };
  /** What holds for every address that no range holds. */
  private everything: T | undefined;
  private narrow = false;

  /** The value of a range, made where there is none. `cidr` is `ip/length`, or empty for all addresses of both versions. */
  at(cidr: string, create: () => T): T {
    if (cidr === '') {
      this.everything ??= create();
      return this.everything;
    }
    const [ip, length] = cidr.split('/');
    const version = ipVersion(ip) === 6 ? 6 : 4;
    const shift = BigInt((version === 4 ? 32 : 128) - Number(length));
    this.narrow = true;
    const levels = this.levels[version];
    let level = levels.find((known) => known.shift === shift);
    if (level === undefined) {
      level = { shift, values: new Map() };
      levels.push(level);
      levels.sort((a, b) => Number(a.shift - b.shift));
    }
    const key = ipBits(ip, version) >> shift;
    let value = level.values.get(key);
    if (value === undefined) {
      value = create();
      level.values.set(key, value);
    }
    return value;
  }

  /** The values of all ranges that hold the address, the most specific first. */
  findAll(ip: string): T[] {
    const version = ipVersion(ip);
    if (version === 0) return [];
    const bits = ipBits(ip, version);
    const found: T[] = [];
    for (const { shift, values } of this.levels[version]) {
      const value = values.get(bits >> shift);
      if (value !== undefined) found.push(value);
    }
    return found;
  }

  /** `address` without port; an empty one (a UNIX socket) counts as 255.255.255.255, as in Envoy. */
  find(address: string): T | undefined {
    if (!this.narrow) return this.everything;
    const ip = address || '255.255.255.255';
    const version = ipVersion(ip);
    if (version === 0) return this.everything;
    const bits = ipBits(ip, version);
    for (const { shift, values } of this.levels[version]) {
      const value = values.get(bits >> shift);
      if (value !== undefined) return value;
    }
    return this.everything;
  }
}

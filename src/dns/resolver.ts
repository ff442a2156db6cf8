/** Names → addresses on the main thread, by the system's resolver (so /etc/hosts and search domains count). */
import { type LookupAddress, lookup } from 'node:dns';
import { Cluster_DnsLookupFamily } from '../api/enums.ts';
import { ipVersion } from '../common/address.ts';

/** A value of `Cluster_DnsLookupFamily`. */
export type DnsLookupFamily = number;

/** Addresses without port, in the resolver's order. An answer that a name has none is a success with an empty list. */
export type DnsAnswer =
  | {
      readonly ok: true;
      readonly addresses: readonly string[];
      /** Seconds it holds; undefined or 0 when nobody told. */
      readonly ttl?: number;
    }
  | { readonly ok: false; readonly reason: string };

export interface DnsResolver {
  /** Calls `done` exactly once, possibly before returning; never throws. The caller ignores answers it no longer wants. */
  resolve(name: string, family: DnsLookupFamily, done: (answer: DnsAnswer) => void): void;
}

type Done = (answer: DnsAnswer) => void;
type Lookup = (
  name: string,
  options: { all: true; family: number; order: 'verbatim' },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * The system's resolver. `hosts` answers for its names before anybody is asked, as a line in /etc/hosts would;
 * `ask` is getaddrinfo unless a test brings its own.
 */
export function systemResolver(
  hosts: Readonly<Record<string, readonly string[]>> = {},
  ask: Lookup = lookup,
): DnsResolver {
  // Several clusters often share a name: they share the question while it is under way.
  const waiting = new Map<string, Done[]>();
  return {
    resolve(name, family, done) {
      if (ipVersion(name) !== 0) return done({ ok: true, addresses: [name] });
      if (Object.hasOwn(hosts, name)) return done({ ok: true, addresses: selectFamily(hosts[name], family) });
      const key = `${askedFamily(family)} ${name}`;
      const callback: Done = (answer) =>
        done(answer.ok ? { ok: true, addresses: selectFamily(answer.addresses, family) } : answer);
      const others = waiting.get(key);
      if (others !== undefined) return void others.push(callback);
      waiting.set(key, [callback]);
      ask(name, { all: true, family: askedFamily(family), order: 'verbatim' }, (error, found) => {
        const answer = toAnswer(error, found);
        const all = waiting.get(key) ?? [];
        waiting.delete(key);
        for (const each of all) each(answer);
      });
    },
  };
}

function askedFamily(family: DnsLookupFamily): 0 | 4 | 6 {
  if (family === Cluster_DnsLookupFamily.V4_ONLY) return 4;
  return family === Cluster_DnsLookupFamily.V6_ONLY ? 6 : 0;
}

/** Envoy takes "no such name" and "no such record" for an answer, not for a failure of the resolver. */
function toAnswer(error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]): DnsAnswer {
  if (error === null) return { ok: true, addresses: [...new Set(found.map(({ address }) => address))] };
  if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') return { ok: true, addresses: [] };
  return { ok: false, reason: error.code ?? error.message };
}

/** What a lookup family makes of all addresses: AUTO is IPv6 if there is any and else IPv4, V4_PREFERRED the reverse. */
export function selectFamily(addresses: readonly string[], family: DnsLookupFamily): readonly string[] {
  const v4 = addresses.filter((ip) => ipVersion(ip) === 4);
  const v6 = addresses.filter((ip) => ipVersion(ip) === 6);
  switch (family) {
    case Cluster_DnsLookupFamily.V4_ONLY:
      return v4;
    case Cluster_DnsLookupFamily.V6_ONLY:
      return v6;
    case Cluster_DnsLookupFamily.V4_PREFERRED:
      return v4.length > 0 ? v4 : v6;
    case Cluster_DnsLookupFamily.ALL:
      return addresses;
    default:
      return v6.length > 0 ? v6 : v4;
  }
}

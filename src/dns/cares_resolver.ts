/** Names → addresses by asking name servers (c-ares): tells how long an answer holds, and can ask servers of one's own. */
import { Resolver } from 'node:dns';
import { readFileSync } from 'node:fs';
import { Cluster_DnsLookupFamily } from '../api/enums.ts';
import { ipVersion } from '../common/address.ts';
import { type HostsFile, hostsFile } from './hosts_file.ts';
import { type DnsAnswer, type DnsLookupFamily, type DnsResolver, selectFamily } from './resolver.ts';

export interface CaresOptions {
  /** `ip` or `ip:port`, IPv6 in brackets; empty: the system's. */
  readonly servers: readonly string[];
  /** `servers` count only where the system names none. */
  readonly fallback: boolean;
  /** Milliseconds for one question to one server. */
  readonly timeout: number;
  readonly tries: number;
  /** Names with few dots are tried below the system's search domains. */
  readonly searchDomains: boolean;
}

export const caresDefaults: CaresOptions = {
  servers: [],
  fallback: false,
  timeout: 5000,
  tries: 4,
  searchDomains: true,
};

interface Search {
  readonly domains: readonly string[];
  readonly dots: number;
  readonly hasServer: boolean;
}

export function caresResolver(
  options: CaresOptions,
  hosts: HostsFile = hostsFile(),
  resolvConf = '/etc/resolv.conf',
): DnsResolver {
  const resolver = new Resolver({ timeout: askedTimeout(options.timeout), tries: options.tries });
  const search = readSearch(resolvConf);
  if (options.servers.length > 0 && !(options.fallback && search.hasServer)) resolver.setServers(options.servers);
  return {
    resolve(name, family, done) {
      if (ipVersion(name) !== 0) return done({ ok: true, addresses: [name] });
      const known = hosts.lookup(name) ?? (name === 'localhost' ? ['127.0.0.1', '::1'] : undefined);
      if (known !== undefined) return done({ ok: true, addresses: selectFamily(known, family) });
      const names = options.searchDomains ? candidates(name, search) : [name];
      firstWithAddresses(resolver, names, family).then(done);
    },
  };
}

/** Node looks once a second for what has expired: what expires right behind such a moment would wait for the next. */
function askedTimeout(milliseconds: number): number {
  return milliseconds > 1000 ? milliseconds - 50 : milliseconds;
}

/** resolv.conf(5): a name with fewer than `ndots` dots is tried below the search domains first, others last. */
function candidates(name: string, { domains, dots }: Search): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const below = domains.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...below] : [...below, name];
}

function readSearch(path: string): Search {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // Without the file there are no search domains.
  }
  const domains = [...text.matchAll(/^(?:search|domain)\s+(.*)$/gm)].at(-1)?.[1].trim().split(/\s+/) ?? [];
  const dots = /^options\s.*\bndots:(\d+)/m.exec(text)?.[1];
  return {
    domains: domains.filter((domain) => domain !== '.'),
    dots: Number(dots ?? 1),
    hasServer: /^nameserver\s/m.test(text),
  };
}

async function firstWithAddresses(
  resolver: Resolver,
  names: readonly string[],
  family: DnsLookupFamily,
): Promise<DnsAnswer> {
  let answer: DnsAnswer = { ok: true, addresses: [] };
  for (const name of names) {
    answer = await ask(resolver, name, family);
    if (!answer.ok || answer.addresses.length > 0) return answer;
  }
  return answer;
}

/** AUTO wants IPv4 only where there is no IPv6, V4_PREFERRED the reverse. */
async function ask(resolver: Resolver, name: string, family: DnsLookupFamily): Promise<DnsAnswer> {
  switch (family) {
    case Cluster_DnsLookupFamily.V4_ONLY:
      return records(resolver, name, 4);
    case Cluster_DnsLookupFamily.V6_ONLY:
      return records(resolver, name, 6);
    case Cluster_DnsLookupFamily.ALL: {
      const [v6, v4] = await Promise.all([records(resolver, name, 6), records(resolver, name, 4)]);
      if (!v6.ok || !v4.ok) return v6.ok && v6.addresses.length > 0 ? v6 : v4;
      const ttls = [v6.ttl, v4.ttl].filter((ttl) => ttl !== undefined);
      return {
        ok: true,
        addresses: [...v4.addresses, ...v6.addresses],
        ttl: ttls.length > 0 ? Math.min(...ttls) : undefined,
      };
    }
    default: {
      const [first, second] = family === Cluster_DnsLookupFamily.V4_PREFERRED ? ([4, 6] as const) : ([6, 4] as const);
      const preferred = await records(resolver, name, first);
      if (preferred.ok && preferred.addresses.length > 0) return preferred;
      return records(resolver, name, second);
    }
  }
}

function records(resolver: Resolver, name: string, version: 4 | 6): Promise<DnsAnswer> {
  return new Promise((resolve) => {
    const done = (error: NodeJS.ErrnoException | null, found: readonly { address: string; ttl: number }[]): void => {
      if (error === null) {
        const ttl = found.reduce((least, record) => Math.min(least, record.ttl), Number.POSITIVE_INFINITY);
        resolve({ ok: true, addresses: [...new Set(found.map(({ address }) => address))], ttl });
      } else if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') resolve({ ok: true, addresses: [] });
      else resolve({ ok: false, reason: error.code ?? error.message });
    };
    if (version === 4) resolver.resolve4(name, { ttl: true }, done);
    else resolver.resolve6(name, { ttl: true }, done);
  });
}

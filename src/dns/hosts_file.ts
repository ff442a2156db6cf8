/** /etc/hosts for resolvers that ask name servers themselves; read again when it has changed. */
import { readFileSync, statSync } from 'node:fs';
import { ipVersion } from '../common/address.ts';

export interface HostsFile {
  /** All addresses of a name; undefined when it is not in the file. */
  lookup(name: string): readonly string[] | undefined;
}

export function hostsFile(path = '/etc/hosts'): HostsFile {
  let version = '';
  let names = new Map<string, string[]>();
  return {
    lookup(name) {
      const stat = statSync(path, { throwIfNoEntry: false });
      const found = stat === undefined ? 'none' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
      if (found !== version) {
        version = found;
        names = stat === undefined ? new Map() : parse(readText(path));
      }
      return names.get(name.toLowerCase().replace(/\.$/, ''));
    },
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parse(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [ip, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (ipVersion(ip) === 0) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase();
      const addresses = names.get(name);
      if (addresses === undefined) names.set(name, [ip]);
      else if (!addresses.includes(ip)) addresses.push(ip);
    }
  }
  return names;
}

/** Where a `google_grpc` service is: its `target_uri` in gRPC's syntax (gRPC's doc/naming.md). */
import type { Address } from './stream_info.ts';

/** As gRPC has it. */
const defaultPort = 443;
export interface GoogleTarget {
  readonly addresses: readonly Address[];
  readonly authority: string;
}

/** Its addresses, or why it is none. A name stands for itself: it is resolved when it is connected to. */
export function googleTarget(uri: string): GoogleTarget | string {
  const [, scheme, rest] = /^(unix-abstract|unix|dns|ipv4|ipv6):(.*)$/.exec(uri) ?? [uri, 'dns', uri];
  switch (scheme) {
    case 'unix':
      return unixTarget(rest.startsWith('//') ? rest.slice(2) : rest);
    case 'unix-abstract':
      return unixTarget(`@${rest}`);
    case 'dns':
      return inetTarget([rest.startsWith('//') ? rest.slice(rest.indexOf('/', 2) + 1) : rest], uri);
    default:
      return inetTarget(rest.split(','), uri);
  }
}

function unixTarget(path: string): GoogleTarget | string {
  if (path === '' || path === '@') return 'has no path';
  return { addresses: [{ ip: '', port: 0, text: path }], authority: 'localhost' };
}

function inetTarget(texts: readonly string[], uri: string): GoogleTarget | string {
  const addresses: Address[] = [];
  for (const text of texts) {
    const found = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
    const port = Number(found?.[3] ?? defaultPort);
    if (found === null || port > 65_535) return `'${uri}' is no address: host:port, dns:///host:port or unix:/path`;
    addresses.push({ ip: found[1] ?? found[2], port, text });
  }
  return { addresses, authority: texts[0] };
}

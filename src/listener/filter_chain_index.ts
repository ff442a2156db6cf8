/**
 * Step 3 of the data path: finds the filter chain of a connection by Envoy's criteria in Envoy's order, each by a look-up. At
 * every criterion the most specific value that is there is taken, and there is no way back: when the criteria behind it
 * do not match, no chain does.
 */
import type { envoy } from '../api/envoy_types.ts';
import { isLocalConnection } from '../common/matcher_tree/network_inputs.ts';
import { PrefixMap } from '../common/prefix_map.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';

type FilterChainMatch = envoy.config.listener.v3.FilterChainMatch;
type CidrRange = envoy.config.core.v3.CidrRange;

/** envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType. */
const SourceType = { Any: 0, SameIpOrLoopback: 1, External: 2 } as const;

/** By source port, 0 for all; then by source range, source type, and so on outwards. */
type SourcePorts<T> = Map<number, T>;
type SourceTypes<T> = (PrefixMap<SourcePorts<T>> | undefined)[];
type ApplicationProtocols<T> = Map<string, PrefixMap<SourceTypes<T>>>;
type ServerNames<T> = Map<string, Map<string, ApplicationProtocols<T>>>;

/** Values by match; an absent criterion takes every connection. */
export class FilterChainIndex<T> {
  private readonly ports = new Map<number, PrefixMap<ServerNames<T>>>();

  /** Where two matches overlap (configuration with such is refused) the first stays. */
  add(match: FilterChainMatch | undefined, value: T): void {
    const names = (match?.serverNames ?? []).map((name) => name.toLowerCase().replace(/^\*\./, '.'));
    const byRange = at(this.ports, match?.destinationPort ?? 0, () => new PrefixMap<ServerNames<T>>());
    for (const range of cidrs(match?.prefixRanges)) {
      const byName = byRange.at(range, () => new Map());
      for (const name of orAny(names)) {
        const byTransport = at(byName, name, () => new Map<string, ApplicationProtocols<T>>());
        const byProtocol = at(byTransport, match?.transportProtocol ?? '', () => new Map() as ApplicationProtocols<T>);
        for (const protocol of orAny(match?.applicationProtocols ?? [])) {
          const byPeer = at(byProtocol, protocol, () => new PrefixMap<SourceTypes<T>>());
          this.addSources(byPeer, match, value);
        }
      }
    }
  }

  find(info: ConnectionInfo): T | undefined {
    const { ports } = this;
    const { ip, port } = info.localAddress;
    // A port that some chain names is that chain's alone.
    const byRange = (ip === '' ? undefined : ports.get(port)) ?? ports.get(0);
    const byName = byRange?.find(ip);
    const byTransport = byName && findName(byName, info.requestedServerName);
    const transport = info.detectedTransportProtocol ?? '';
    const byProtocol = byTransport && (byTransport.get(transport) ?? byTransport.get(''));
    const byPeer = byProtocol && findProtocol(byProtocol, info.requestedApplicationProtocols ?? []);
    const byType = byPeer?.find(info.directRemoteAddress.ip);
    const bySource = byType && findType(byType, info);
    const byPort = bySource?.find(info.remoteAddress.ip);
    return byPort?.get(info.remoteAddress.port) ?? byPort?.get(0);
  }

  private addSources(byPeer: PrefixMap<SourceTypes<T>>, match: FilterChainMatch | undefined, value: T): void {
    const type = match?.sourceType ?? SourceType.Any;
    for (const peer of cidrs(match?.directSourcePrefixRanges)) {
      const types = byPeer.at(peer, () => []);
      types[type] ??= new PrefixMap();
      for (const source of cidrs(match?.sourcePrefixRanges)) {
        const byPort = types[type].at(source, () => new Map());
        const ports = match?.sourcePorts ?? [];
        for (const port of ports.length === 0 ? [0] : ports) if (!byPort.has(port)) byPort.set(port, value);
      }
    }
  }
}

function at<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}

function orAny(values: readonly string[]): readonly string[] {
  return values.length === 0 ? [''] : values;
}

/** Ranges as `ip/length`; the empty one is everything. */
function cidrs(ranges: readonly CidrRange[] | undefined): string[] {
  if (ranges === undefined || ranges.length === 0) return [''];
  return ranges.map(({ addressPrefix, prefixLen = 0 }) => {
    const width = addressPrefix.includes(':') ? 128 : 32;
    return `${addressPrefix}/${Math.min(prefixLen, width)}`;
  });
}

/** The name itself, then `*.` before ever shorter ends of it, then what asks for no name. */
function findName<V>(names: ReadonlyMap<string, V>, name: string): V | undefined {
  if (name !== '') {
    const exact = names.get(name);
    if (exact !== undefined) return exact;
    for (let dot = name.indexOf('.', 1); dot > 0 && dot < name.length - 1; dot = name.indexOf('.', dot + 1)) {
      const wildcard = names.get(name.slice(dot));
      if (wildcard !== undefined) return wildcard;
    }
  }
  return names.get('');
}

function findProtocol<V>(protocols: ReadonlyMap<string, V>, requested: readonly string[]): V | undefined {
  for (const protocol of requested) {
    const found = protocols.get(protocol);
    if (found !== undefined) return found;
  }
  return protocols.get('');
}

function findType<V>(types: readonly (V | undefined)[], info: ConnectionInfo): V | undefined {
  const local = types[SourceType.SameIpOrLoopback];
  const external = types[SourceType.External];
  if (local === undefined && external === undefined) return types[SourceType.Any];
  return (isLocalConnection(info) ? local : external) ?? types[SourceType.Any];
}

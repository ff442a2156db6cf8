/** Step 9 of the data path: the PROXY protocol header that connections to the hosts of a cluster begin with. */
import type { ProxyTlv } from '../../native-free/preamble/proxy_protocol.ts';
import { proxyV1Header, proxyV2Header, proxyV2LocalHeader } from '../../native-free/preamble/proxy_protocol_writer.ts';
import type { envoy } from '../api/envoy_types.ts';
import { ipVersion } from '../common/address.ts';
import { type ProxyProtocolState, proxyProtocolKey } from '../common/filter_state/proxy_protocol.ts';
import type { Address, ConnectionInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';
import type { StatHandle } from '../spi/stats.ts';

type Config = envoy.config.core.v3.ProxyProtocolConfig;

/** envoy.config.core.v3.ProxyProtocolConfig.Version. */
const v1 = 0;
/** envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType. */
const includeAll = 0;

/** Whose connection one to a host stands for: as the client's own header told, else as its socket is. */
export function proxyProtocolStateOf(info: ConnectionInfo): ProxyProtocolState {
  const known = info.filterState?.get(proxyProtocolKey) as ProxyProtocolState | undefined;
  return known ?? { source: info.remoteAddress, destination: info.localAddress, tlvs: [] };
}

export class UpstreamProxyProtocol {
  private readonly version: number;
  private readonly passesAll: boolean;
  private readonly passed: ReadonlySet<number>;
  private readonly added: readonly ProxyTlv[];
  private readonly addedTypes: ReadonlySet<number>;
  private readonly cut: StatHandle;

  /** `cut` counts headers that had no room for all their TLVs. */
  constructor(config: Config | undefined, cut: StatHandle) {
    const through = config?.passThroughTlvs;
    this.version = config?.version ?? v1;
    this.passesAll = through !== undefined && through.matchType === includeAll;
    this.passed = new Set(through?.tlvType.map((type) => type & 255));
    this.added = (config?.addedTlvs ?? []).map(({ type, value }) => ({ type: type & 255, value }));
    this.addedTypes = new Set(this.added.map(({ type }) => type));
    this.cut = cut;
  }

  /** `downstream` is undefined for connections that are our own, which then tell of themselves. */
  header(downstream: ProxyProtocolState | undefined, connection: Connection): Uint8Array {
    if (this.version === v1) {
      const { source, destination } = downstream ?? {
        source: connection.localAddress,
        destination: connection.remoteAddress,
      };
      return Buffer.from(sameKind(source, destination) ? proxyV1Header(source, destination) : 'PROXY UNKNOWN\r\n');
    }
    if (downstream === undefined || !sameKind(downstream.source, downstream.destination)) return proxyV2LocalHeader();
    const { bytes, complete } = proxyV2Header(downstream.source, downstream.destination, this.tlvs(downstream));
    if (!complete) this.cut.values[this.cut.index]++;
    return bytes;
  }

  /** Those of configuration go before what clients said of the same type. */
  private tlvs({ tlvs }: ProxyProtocolState): ProxyTlv[] {
    const passed = tlvs.filter(({ type }) => (this.passesAll || this.passed.has(type)) && !this.addedTypes.has(type));
    return [...this.added, ...passed];
  }
}

/** Both ends IPv4, or both IPv6: a header has no room for others. */
function sameKind(source: Address, destination: Address): boolean {
  const version = ipVersion(source.ip);
  return version !== 0 && version === ipVersion(destination.ip);
}

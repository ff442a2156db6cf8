/** What a TCP proxy tells hosts of its clients by the PROXY protocol: TLVs of its configuration joined with the client's own. */
import type { ProxyTlv } from '../../native-free/preamble/proxy_protocol.ts';
import type { envoy } from '../api/envoy_types.ts';
import { type ProxyProtocolState, proxyProtocolKey } from '../common/filter_state/proxy_protocol.ts';
import { connectionContext } from '../common/filter_state/set_filter_state.ts';
import { compileSubstitutionFormat } from '../common/formatter/substitution_format.ts';
import type { ConnectionInfo, StreamInfo } from '../common/stream_info.ts';

type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

/** envoy.extensions.filters.network.tcp_proxy.v3.ProxyProtocolTlvMergePolicy. */
const MergePolicy = { AddIfAbsent: 0, OverwriteByType: 1, Append: 2 } as const;

/** The client of a connection as hosts are told of it. */
export type ClientState = (info: ConnectionInfo, stream: StreamInfo) => ProxyProtocolState;

export function compileClientState({ proxyProtocolTlvs, proxyProtocolTlvMergePolicy }: TcpProxy): ClientState {
  const makers = proxyProtocolTlvs.map(({ type, value, formatString }) => {
    if (formatString === undefined) return () => ({ type: type & 255, value });
    const format = compileSubstitutionFormat(formatString);
    if ('error' in format) throw new Error(`${format.path}: ${format.error}`);
    return (stream: StreamInfo): ProxyTlv => {
      const text = format.formatter.format(connectionContext(stream));
      return { type: type & 255, value: Buffer.from(text, 'latin1') };
    };
  });
  return (info, stream) => {
    const told = info.filterState?.get(proxyProtocolKey) as ProxyProtocolState | undefined;
    if (told !== undefined && (makers.length === 0 || proxyProtocolTlvMergePolicy === MergePolicy.AddIfAbsent))
      return told;
    const own = makers.map((make) => make(stream));
    const { source, destination } = told ?? { source: info.remoteAddress, destination: info.localAddress };
    const kept = told?.tlvs ?? [];
    if (proxyProtocolTlvMergePolicy === MergePolicy.Append) return { source, destination, tlvs: [...kept, ...own] };
    const types = new Set(own.map(({ type }) => type));
    return { source, destination, tlvs: [...own, ...kept.filter(({ type }) => !types.has(type))] };
  };
}

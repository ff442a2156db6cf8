/** What the PROXY protocol told of a connection, as filters and connections to hosts find it in the filter state. */
import type { ProxyTlv } from '../../../native-free/preamble/proxy_protocol.ts';
import type { Address } from '../stream_info.ts';

export interface ProxyProtocolState {
  readonly source: Address;
  readonly destination: Address;
  /** Those that may be passed on. */
  readonly tlvs: readonly ProxyTlv[];
}

export const proxyProtocolKey = 'envoy.network.proxy_protocol_options';
/** Values of TLVs by the names that the listener filter's rules give them. */
export const proxyTlvKey = 'envoy.network.proxy_protocol.tlv';

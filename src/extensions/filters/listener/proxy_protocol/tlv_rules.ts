/** envoy.filters.listener.proxy_protocol: which TLVs of a header are kept, where, and as what. */
import type { ProxyTlv } from '../../../../../native-free/preamble/proxy_protocol.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { proxyTlvKey } from '../../../../common/filter_state/proxy_protocol.ts';
import type { ListenerFilterCallbacks } from '../../../../spi/listener_filter.ts';

type Message = envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol;
type KeyValuePair = envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol_KeyValuePair;

const defaultNamespace = 'envoy.filters.listener.proxy_protocol';
/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation. */
const filterState = 1;
/** KeyValuePair.ValueStringEncoding. */
const base64 = 2;
/** envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType. */
const includeAll = 0;

export interface TlvRules {
  /** Keeps what rules ask for: in dynamic metadata, or all together in the filter state. */
  store(tlvs: readonly ProxyTlv[], callbacks: ListenerFilterCallbacks): void;
  /** True for a type that upstream connections may pass on. */
  passesThrough(type: number): boolean;
}

export function compileTlvRules(message: Message): TlvRules {
  const targets = new Map<number, KeyValuePair>();
  for (const { tlvType, onTlvPresent } of message.rules) if (onTlvPresent) targets.set(tlvType & 255, onTlvPresent);
  const through = message.passThroughTlvs;
  const types = new Set(through?.tlvType.map((type) => type & 255));
  return {
    store(tlvs, callbacks) {
      if (targets.size === 0) return;
      const together: Record<string, string> = {};
      const taken = new Set<number>();
      for (const { type, value } of tlvs) {
        const target = targets.get(type);
        if (target === undefined) continue;
        const text = valueText(value, target);
        if (message.tlvLocation === filterState) together[target.key] = text;
        // Of several with one type the first stays, while in the filter state it is the last, as in Envoy.
        else if (!taken.has(type))
          callbacks.setDynamicMetadata(target.metadataNamespace || defaultNamespace, { [target.key]: text });
        taken.add(type);
      }
      if (Object.keys(together).length > 0) callbacks.setFilterState(proxyTlvKey, together);
    },
    passesThrough: (type) => through !== undefined && (through.matchType === includeAll || types.has(type)),
  };
}

/** What is not UTF-8 becomes `!`, a byte each, as in Envoy. */
function valueText(value: Uint8Array, { valueStringEncoding }: KeyValuePair): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (valueStringEncoding === base64) return bytes.toString('base64');
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  let clean = '';
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceLength(bytes, at);
    clean += size === 0 ? '!' : bytes.toString('utf8', at, at + size);
    at += Math.max(1, size);
  }
  return clean;
}

/** Bytes of the character at a place; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at];
  const size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const character = bytes.subarray(at, at + size);
  return Buffer.from(character.toString('utf8')).equals(character) ? size : 0;
}

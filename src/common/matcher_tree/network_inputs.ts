/** The network inputs of a matcher tree: properties of a connection (envoy.extensions.matching.common_inputs.network.v3). */
import type { envoy } from '../../api/envoy_types.ts';
import type { Address, ConnectionInfo } from '../stream_info.ts';
import type { MatchInput } from './matcher_tree.ts';

type Input = MatchInput<ConnectionInfo>;
type FilterStateInput = envoy.extensions.matching.common_inputs.network.v3.FilterStateInput;
type DynamicMetadataInput = envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput;

const packageName = 'envoy.extensions.matching.common_inputs.network.v3.';

const plain: Readonly<Record<string, Input>> = {
  DestinationIPInput: (info) => ipOf(info.localAddress),
  DestinationPortInput: (info) => portOf(info.localAddress),
  SourceIPInput: (info) => ipOf(info.remoteAddress),
  SourcePortInput: (info) => portOf(info.remoteAddress),
  DirectSourceIPInput: (info) => ipOf(info.directRemoteAddress),
  SourceTypeInput: (info) => (isLocalConnection(info) ? 'local' : undefined),
  ServerNameInput: (info) => info.requestedServerName || undefined,
  TransportProtocolInput: (info) => info.detectedTransportProtocol || undefined,
  ApplicationProtocolInput: ({ requestedApplicationProtocols: requested = [] }) =>
    requested.length === 0 ? undefined : requested.map((protocol) => `'${protocol}'`).join(','),
};

/** Throws on a type that is none of them. */
export function networkInput(type: string, message: unknown): Input {
  const name = type.startsWith(packageName) ? type.slice(packageName.length) : '';
  if (name in plain) return plain[name];
  if (name === 'FilterStateInput') {
    const { key } = message as FilterStateInput;
    return ({ filterState }) => textOf(filterState?.get(key));
  }
  if (name === 'DynamicMetadataInput') {
    const { filter, path } = message as DynamicMetadataInput;
    return ({ dynamicMetadata }) => {
      let value: unknown = dynamicMetadata?.get(filter);
      for (const { segment } of path) value = (value as Record<string, unknown> | undefined)?.[segment.value ?? ''];
      return textOf(value);
    };
  }
  throw new Error(`${type} is not supported`);
}

/** The client is on this machine. Of all loopback addresses Envoy takes only the first for one. */
export function isLocalConnection({ localAddress, remoteAddress }: ConnectionInfo): boolean {
  const { ip } = remoteAddress;
  return ip === '' || ip === localAddress.ip || ip === '127.0.0.1' || ip === '::1';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function ipOf({ ip }: Address): string | undefined {
  return ip || undefined;
}

function portOf({ ip, port }: Address): string | undefined {
  return ip === '' ? undefined : String(port);
}

/** Step 9 of the data path: how connections to the hosts of a cluster are secured, by the metadata of the host where that decides. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import type { ConnectOptions, TlsConnector } from '../net/connect.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { Transport } from '../spi/transport_socket.ts';
import { UpstreamProxyProtocol } from './proxy_protocol.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type TransportSocket = envoy.config.core.v3.TransportSocket;

/** Makes what a transport socket's configuration says; undefined where connections stay as they are. */
export type MakeTransport = (socket: TransportSocket, scope: string) => Transport<TlsConnector> | undefined;

/** The namespace of endpoint metadata that `transport_socket_matches` look at. */
export const matchNamespace = 'envoy.transport_socket_match';

const proxyProtocolType = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';

/** How to connect to a host. */
export interface TransportOptions extends ConnectOptions {
  /** Connections begin with the header of the PROXY protocol. */
  readonly proxyProtocol?: UpstreamProxyProtocol;
}

interface Match {
  readonly wanted: JsonObject;
  readonly options: TransportOptions;
  readonly count: () => void;
}

export class TransportSockets {
  /** For hosts that no match names. */
  readonly standard: TransportOptions;
  /** Some connections tell their hosts whose they are: clients then have pools of their own. */
  readonly tellsClients: boolean;
  private readonly matches: readonly Match[];
  private readonly transports: Transport<TlsConnector>[] = [];

  constructor(message: ClusterMessage, options: ConnectOptions, make: MakeTransport, stats: StatsStore, scope: string) {
    const secured = (socket: TransportSocket | undefined): TransportOptions => {
      const proxied = proxyProtocolOf(socket);
      if (proxied !== undefined) {
        const cut = stats.counter(`${scope}upstream.proxyprotocol.v2_tlvs_exceed_max_length`);
        return { ...secured(proxied.transportSocket), proxyProtocol: new UpstreamProxyProtocol(proxied.config, cut) };
      }
      const transport = socket === undefined ? undefined : make(socket, scope);
      if (transport === undefined) return options;
      this.transports.push(transport);
      return { ...options, tls: transport.tls };
    };
    this.standard = secured(message.transportSocket);
    this.matches = message.transportSocketMatches.map(({ name, match, transportSocket }) => {
      const { values, index } = stats.counter(`${scope}${name}.total_match_count`);
      return {
        wanted: match ?? {},
        options: secured(transportSocket),
        count: () => {
          values[index]++;
        },
      };
    });
    const all = [this.standard, ...this.matches.map(({ options }) => options)];
    this.tellsClients = all.some(({ proxyProtocol }) => proxyProtocol !== undefined);
  }

  /** `metadata` is the host's own of `matchNamespace`. The first match counts. */
  optionsFor(metadata: JsonObject | undefined): TransportOptions {
    const match = this.matches.find(({ wanted }) => containsAll(metadata ?? {}, wanted));
    if (match === undefined) return this.standard;
    match.count();
    return match.options;
  }

  close(): void {
    for (const transport of this.transports) transport.close();
  }
}

function containsAll(metadata: JsonObject, wanted: JsonObject): boolean {
  return Object.entries(wanted).every(([key, value]) => equal(metadata[key], value));
}

/** A list in the metadata has the value among its own. */
function equal(have: JsonValue | undefined, wanted: JsonValue): boolean {
  if (have === undefined) return false;
  if (JSON.stringify(have) === JSON.stringify(wanted)) return true;
  return Array.isArray(have) && have.some((value) => JSON.stringify(value) === JSON.stringify(wanted));
}

function proxyProtocolOf(socket: TransportSocket | undefined) {
  const config = socket?.configType;
  if (config?.case !== 'typedConfig' || typeNameOf(config.value.typeUrl) !== proxyProtocolType) return undefined;
  return unpackAny(config.value, proxyProtocolType);
}

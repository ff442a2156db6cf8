/** Operators over what is known of a stream: codes, flags, bytes, upstream, downstream addresses (access logs, header values). */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { FormatContext } from '../../spi/format.ts';
import { networkOf } from '../cidr.ts';
import { longFlags, shortFlags } from '../response_flags.ts';
import { routeClock } from '../route_clock.ts';
import type { Address, HostDescription, StreamInfo } from '../stream_info.ts';
import { toWire } from '../wire_string.ts';
import {
  configuredField,
  numberField,
  numberOperator,
  type OperatorSpec,
  type OperatorTable,
  Syntax,
  stringField,
  stringOperator,
} from './operator.ts';

const underscored = (text: string | undefined) => (text?.includes(' ') ? text.replaceAll(' ', '_') : text);

type ReadAddress = (info: StreamInfo) => Address | undefined;

const remote: ReadAddress = (info) => info.remoteAddress ?? info.connection?.remoteAddress;
const directRemote: ReadAddress = (info) => info.connection?.directRemoteAddress;
const local: ReadAddress = (info) => info.connection?.localAddress;
const directLocal: ReadAddress = ({ connection }) => connection?.directLocalAddress ?? connection?.localAddress;
const upstreamLocal: ReadAddress = (info) => info.upstreamLocalAddress;

const address = (read: ReadAddress) => stringField(({ info }) => read(info)?.text);

/** An address, or with a number of bits as parameter its network; Envoy takes no notice of other parameters. */
const masked = (read: (info: StreamInfo) => string | undefined): OperatorSpec => ({
  syntax: Syntax.paramsOptional,
  create: (params) => {
    if (!/^[+-]?\d+$/.test(params)) return stringOperator(({ info }) => read(info) || undefined);
    const bits = Number(params);
    return stringOperator(({ info }) => {
      const ip = read(info);
      return ip ? (bits < 0 ? '' : networkOf(ip, bits)) : undefined;
    });
  },
});

/** A UNIX socket has no port to leave out: its path is printed. */
const addressWithoutPort = (read: ReadAddress) =>
  masked((info) => {
    const at = read(info);
    return at?.ip || at?.text;
  });

const port = (read: ReadAddress): OperatorSpec => {
  const portOf = ({ info }: FormatContext) => {
    const at = read(info);
    return at === undefined || at.ip === '' ? undefined : at.port;
  };
  return numberField(portOf);
};

/** Envoy knows an upstream's remote address only when a connection to it was made. */
const connectedHost = (info: StreamInfo) =>
  info.upstreamLocalAddress === undefined ? undefined : info.upstreamHost?.address;

/** `[::1]:80` → `::1`, `h:80` → `h`; a path and a bare name stay. */
function withoutPort(text: string): string {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || text.startsWith('/') || !/^\d+$/.test(text.slice(colon + 1))) return text;
  return text.startsWith('[') ? text.slice(1, colon - 1) : text.slice(0, colon);
}

const nameOf = (host: HostDescription) => host.hostname || host.address;
const hostName = (info: StreamInfo) => info.upstreamHost && nameOf(info.upstreamHost);

/** Hosts that were tried; of a request Envoy keeps the last one, and that only when a connection to it was made. */
function attempted(info: StreamInfo): readonly HostDescription[] {
  if (info.attemptedHosts !== undefined) return info.attemptedHosts;
  return info.upstreamLocalAddress === undefined || info.upstreamHost === undefined ? [] : [info.upstreamHost];
}

const attemptedHosts = (read: (host: HostDescription) => string) =>
  configuredField(({ info }) => attempted(info).map(read).join(','));

/** Internal addresses alone have an endpoint id. */
const noEndpointId = (read: (info: StreamInfo) => unknown): OperatorSpec => {
  const operator = stringOperator(({ info }) => (read(info) === undefined ? undefined : ''));
  return { syntax: Syntax.commandOnly, create: () => operator };
};

const responseCodeDetails: OperatorSpec = {
  syntax: Syntax.paramsOptional,
  create: (params) => {
    if (params === 'ALLOW_WHITESPACES') return stringOperator(({ info }) => info.responseCodeDetails || undefined);
    return stringOperator(({ info }) => {
      const details = info.responseCodeDetails;
      return /\s/.test(details) ? details.replace(/\s/g, '_') : details || undefined;
    });
  },
};

const environment: OperatorSpec = {
  syntax: Syntax.paramsRequired | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    // An unset variable prints `-` even where empty values are left out.
    const value = process.env[params];
    const text = value === undefined ? '-' : toWire(value).slice(0, maxLength);
    return stringOperator(() => text);
  },
};

const routeResolutionTime: OperatorSpec = {
  syntax: Syntax.commandOnly,
  create: () => {
    routeClock.asked = true;
    return numberOperator(({ info }) => info.routeResolutionMicros);
  },
};

const thisHost = hostname();

/** By response code and the like, then upstream, then downstream. */
export const streamOperators: OperatorTable = {
  PROTOCOL: stringField(({ info }) => info.protocol),
  RESPONSE_CODE: numberField(({ info }) => info.responseCode),
  RESPONSE_CODE_DETAILS: responseCodeDetails,
  RESPONSE_FLAGS: stringField(({ info }) => shortFlags(info.responseFlagOrder)),
  RESPONSE_FLAGS_LONG: stringField(({ info }) => longFlags(info.responseFlagOrder)),
  CONNECTION_TERMINATION_DETAILS: stringField(
    ({ info }) => info.connectionTerminationDetails || info.connection?.terminationDetails,
  ),
  BYTES_RECEIVED: numberField(({ info }) => info.bytesReceived),
  BYTES_SENT: numberField(({ info }) => info.bytesSent),
  // Only QUIC counts them.
  BYTES_RETRANSMITTED: numberField(() => 0),
  PACKETS_RETRANSMITTED: numberField(() => 0),
  ROUTE_RESOLUTION_COUNT: numberField(({ info }) => info.routeResolutions),
  ROUTE_RESOLUTION_TIME_US: routeResolutionTime,
  ROUTE_NAME: configuredField(({ info }) => info.routeName),
  VIRTUAL_CLUSTER_NAME: configuredField(({ info }) => info.virtualClusterName),
  HOSTNAME: configuredField(() => thisHost),
  UNIQUE_ID: stringField(() => randomUUID()),
  ENVIRONMENT: environment,
  CUSTOM_FLAGS: { syntax: Syntax.commandOnly, create: () => stringOperator(() => '') },
  // Nothing traces requests.
  TRACE_ID: stringField(() => undefined),
  SPAN_ID: stringField(() => undefined),
  TLS_JA3_FINGERPRINT: stringField(({ info }) => info.connection?.ja3Hash),
  TLS_JA4_FINGERPRINT: stringField(({ info }) => info.connection?.ja4Hash),

  UPSTREAM_PROTOCOL: stringField(({ info }) => info.upstreamProtocol),
  UPSTREAM_HOST: stringField(({ info }) => info.upstreamHost?.address),
  UPSTREAM_HOST_NAME: configuredField(({ info }) => hostName(info)),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: configuredField(({ info }) => withoutPort(hostName(info) ?? '')),
  UPSTREAM_CLUSTER: configuredField(({ info }) => info.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: configuredField(({ info }) => info.upstreamHost?.clusterName || info.upstreamCluster),
  UPSTREAM_REMOTE_ADDRESS: stringField(({ info }) => connectedHost(info)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: masked((info) => withoutPort(connectedHost(info) ?? '')),
  UPSTREAM_REMOTE_PORT: numberField(({ info }) => {
    const text = connectedHost(info);
    return text === undefined || text.startsWith('/') ? undefined : Number(text.slice(text.lastIndexOf(':') + 1));
  }),
  UPSTREAM_LOCAL_ADDRESS: address(upstreamLocal),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: addressWithoutPort(upstreamLocal),
  UPSTREAM_LOCAL_PORT: port(upstreamLocal),
  UPSTREAM_CONNECTION_ID: numberField(({ info }) => info.upstreamConnectionId),
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: stringField(({ info }) =>
    info.upstreamLocalAddress === undefined ? undefined : String(info.upstreamConnectionId),
  ),
  UPSTREAM_CONNECTION_POOL_READY_DURATION: numberField(({ info }) => info.poolReadyDuration),
  UPSTREAM_HOSTS_ATTEMPTED: attemptedHosts(({ address }) => address),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: attemptedHosts(({ address }) => withoutPort(address)),
  UPSTREAM_HOST_NAMES_ATTEMPTED: attemptedHosts(nameOf),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: attemptedHosts((host) => withoutPort(nameOf(host))),
  UPSTREAM_DETECTED_CLOSE_TYPE: stringField(({ info }) =>
    info.upstreamHost === undefined ? undefined : info.upstreamCloseType,
  ),
  UPSTREAM_LOCAL_CLOSE_REASON: stringField(({ info }) => info.upstreamLocalCloseReason),
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: noEndpointId(connectedHost),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: numberField(({ info }) => info.upstreamRequestAttemptCount),
  UPSTREAM_TRANSPORT_FAILURE_REASON: stringField(({ info }) => underscored(info.upstreamTransportFailureReason)),

  CONNECTION_ID: numberField(({ info }) => info.connection?.id ?? 0),
  // The entry of a request is written before its connection is known to have ended.
  DOWNSTREAM_DETECTED_CLOSE_TYPE: stringField(({ info, request }) =>
    request === undefined ? (info.connection?.detectedCloseType ?? 'Normal') : 'Normal',
  ),
  DOWNSTREAM_LOCAL_CLOSE_REASON: stringField(({ info }) => info.connection?.localCloseReason),
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: noEndpointId(local),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: noEndpointId(directLocal),
  LISTENER_NAME: configuredField(({ info }) => info.connection?.listenerName),
  FILTER_CHAIN_NAME: configuredField(({ info }) => info.connection?.filterChainName),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: stringField(({ info }) => underscored(info.connection?.transportFailureReason)),
  DOWNSTREAM_REMOTE_ADDRESS: address(remote),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: addressWithoutPort(remote),
  DOWNSTREAM_REMOTE_PORT: port(remote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: address(directRemote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: addressWithoutPort(directRemote),
  DOWNSTREAM_DIRECT_REMOTE_PORT: port(directRemote),
  DOWNSTREAM_LOCAL_ADDRESS: address(local),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: addressWithoutPort(local),
  DOWNSTREAM_LOCAL_PORT: port(local),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: address(directLocal),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: addressWithoutPort(directLocal),
  DOWNSTREAM_DIRECT_LOCAL_PORT: port(directLocal),
};

/** Operators over what is known of a stream: codes, flags, bytes, upstream, downstream addresses (access logs, header values). */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { FormatContext } from '../../spi/format.ts';
import { longFlags, shortFlags } from '../response_flags.ts';
import type { Address, StreamInfo } from '../stream_info.ts';
import { toWire } from '../wire_string.ts';
import {
  configuredField,
  numberField,
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
const upstreamLocal: ReadAddress = (info) => info.upstreamLocalAddress;

const address = (read: ReadAddress) => stringField(({ info }) => read(info)?.text);

/** A UNIX socket has no port to leave out: its path is printed. */
const addressWithoutPort = (read: ReadAddress) =>
  stringField(({ info }) => {
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

const hostName = (info: StreamInfo) => info.upstreamHost && (info.upstreamHost.hostname || info.upstreamHost.address);

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

const thisHost = hostname();

/** By response code and the like, then upstream, then downstream. */
export const streamOperators: OperatorTable = {
  PROTOCOL: stringField(({ info }) => info.protocol),
  RESPONSE_CODE: numberField(({ info }) => info.responseCode),
  RESPONSE_CODE_DETAILS: responseCodeDetails,
  RESPONSE_FLAGS: stringField(({ info }) => shortFlags(info.responseFlags)),
  RESPONSE_FLAGS_LONG: stringField(({ info }) => longFlags(info.responseFlags)),
  CONNECTION_TERMINATION_DETAILS: stringField(
    ({ info }) => info.connectionTerminationDetails || info.connection?.terminationDetails,
  ),
  BYTES_RECEIVED: numberField(({ info }) => info.bytesReceived),
  BYTES_SENT: numberField(({ info }) => info.bytesSent),
  // Only QUIC counts them.
  BYTES_RETRANSMITTED: numberField(() => 0),
  PACKETS_RETRANSMITTED: numberField(() => 0),
  ROUTE_NAME: configuredField(({ info }) => info.routeName),
  VIRTUAL_CLUSTER_NAME: configuredField(({ info }) => info.virtualClusterName),
  HOSTNAME: configuredField(() => thisHost),
  UNIQUE_ID: stringField(() => randomUUID()),
  ENVIRONMENT: environment,
  CUSTOM_FLAGS: { syntax: Syntax.commandOnly, create: () => stringOperator(() => '') },
  // Nothing traces requests or fingerprints a TLS client.
  TRACE_ID: stringField(() => undefined),
  SPAN_ID: stringField(() => undefined),
  TLS_JA3_FINGERPRINT: stringField(() => undefined),
  TLS_JA4_FINGERPRINT: stringField(() => undefined),

  UPSTREAM_PROTOCOL: stringField(({ info }) => info.upstreamProtocol),
  UPSTREAM_HOST: stringField(({ info }) => info.upstreamHost?.address),
  UPSTREAM_HOST_NAME: configuredField(({ info }) => hostName(info)),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: configuredField(({ info }) => withoutPort(hostName(info) ?? '')),
  UPSTREAM_CLUSTER: configuredField(({ info }) => info.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: configuredField(({ info }) => info.upstreamHost?.clusterName || info.upstreamCluster),
  UPSTREAM_REMOTE_ADDRESS: stringField(({ info }) => connectedHost(info)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: stringField(({ info }) => withoutPort(connectedHost(info) ?? '')),
  UPSTREAM_REMOTE_PORT: numberField(({ info }) => {
    const text = connectedHost(info);
    return text === undefined || text.startsWith('/') ? undefined : Number(text.slice(text.lastIndexOf(':') + 1));
  }),
  UPSTREAM_LOCAL_ADDRESS: address(upstreamLocal),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: addressWithoutPort(upstreamLocal),
  UPSTREAM_LOCAL_PORT: port(upstreamLocal),
  UPSTREAM_CONNECTION_ID: numberField(({ info }) => info.upstreamConnectionId),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: numberField(({ info }) => info.upstreamRequestAttemptCount),
  UPSTREAM_TRANSPORT_FAILURE_REASON: stringField(({ info }) => underscored(info.upstreamTransportFailureReason)),

  CONNECTION_ID: numberField(({ info }) => info.connection?.id ?? 0),
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
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: address(local),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: addressWithoutPort(local),
  DOWNSTREAM_DIRECT_LOCAL_PORT: port(local),
};

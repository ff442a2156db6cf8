/** Operators over bytes on the wire (access logs); a format with one of them makes the data path count. */
import type { FormatContext } from '../../spi/format.ts';
import type { StreamInfo } from '../stream_info.ts';
import { type WireBytes, wireBytes } from '../wire_bytes.ts';
import { numberOperator, type OperatorSpec, type OperatorTable, Syntax } from './operator.ts';

function counted(read: (context: FormatContext) => number): OperatorSpec {
  return {
    syntax: Syntax.commandOnly,
    create: () => {
      wireBytes.counted = true;
      return numberOperator(read);
    },
  };
}

const downstream = (count: keyof WireBytes & string): OperatorSpec =>
  counted(({ info }) => (info.downstreamBytes?.[count] as number | undefined) ?? 0);
const upstream = (count: keyof WireBytes & string): OperatorSpec =>
  counted(({ info }) => (info.upstreamBytes?.[count] as number | undefined) ?? 0);

/** On a TCP connection every byte is payload. */
const isTcp = ({ info }: FormatContext) => info.protocol === undefined && info.downstreamBytes === undefined;
/** One that got through to a host. */
const isTcpWithHost = (info: StreamInfo) =>
  info.protocol === undefined && info.upstreamBytes === undefined && info.upstreamLocalAddress !== undefined;

export const wireOperators: OperatorTable = {
  DOWNSTREAM_WIRE_BYTES_RECEIVED: counted((context) =>
    isTcp(context) ? context.info.bytesReceived : (context.info.downstreamBytes?.wireReceived ?? 0),
  ),
  DOWNSTREAM_WIRE_BYTES_SENT: counted((context) =>
    isTcp(context) ? context.info.bytesSent : (context.info.downstreamBytes?.wireSent ?? 0),
  ),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: downstream('headerReceived'),
  DOWNSTREAM_HEADER_BYTES_SENT: downstream('headerSent'),
  UPSTREAM_WIRE_BYTES_RECEIVED: counted(({ info }) =>
    isTcpWithHost(info) ? info.bytesSent : (info.upstreamBytes?.wireReceived ?? 0),
  ),
  UPSTREAM_WIRE_BYTES_SENT: counted(({ info }) =>
    isTcpWithHost(info) ? info.bytesReceived : (info.upstreamBytes?.wireSent ?? 0),
  ),
  UPSTREAM_HEADER_BYTES_RECEIVED: upstream('headerReceived'),
  UPSTREAM_HEADER_BYTES_SENT: upstream('headerSent'),
  // As HTTP/1 would have them on the wire, which is without compression.
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: downstream('headerReceived'),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: downstream('headerSent'),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: upstream('headerReceived'),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: upstream('headerSent'),
};

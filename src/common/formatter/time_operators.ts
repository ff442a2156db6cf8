/** Operators that print a point in time or a duration (access logs, header values). */
import type { FormatContext } from '../../spi/format.ts';
import { now, wallNow } from '../clock.ts';
import type { StreamInfo } from '../stream_info.ts';
import {
  numberField,
  numberOperator,
  type OperatorSpec,
  type OperatorTable,
  Syntax,
  stringOperator,
} from './operator.ts';
import { compileTimeFormat, TIME_FORMAT_NEWLINE } from './strftime.ts';

const UTC_FORMAT = '%Y-%m-%dT%H:%M:%E3SZ';
const LOCAL_FORMAT = '%Y-%m-%dT%H:%M:%E3S%z';

function timeField(read: (context: FormatContext) => number, local: boolean): OperatorSpec {
  return {
    syntax: Syntax.paramsOptional,
    create: (params) => {
      if (TIME_FORMAT_NEWLINE.test(params)) {
        return 'Invalid header configuration. Format string contains newline.';
      }
      const format = compileTimeFormat(params || (local ? LOCAL_FORMAT : UTC_FORMAT), local);
      return stringOperator((context) => format(read(context)));
    },
  };
}

/** Whole milliseconds from the stream's start to a later point, undefined while that is not reached. */
function sinceStart(read: (info: StreamInfo) => number): OperatorSpec {
  return numberField(({ info }) => {
    const at = read(info);
    return at === 0 ? undefined : Math.floor(at - info.startMonotonic);
  });
}

/** Envoy's names of points in time that are recorded; monotonic milliseconds, 0 while not reached. */
const timePoints: Record<string, (info: StreamInfo) => number> = {
  DS_RX_BEG: (info) => info.startMonotonic,
  DS_RX_END: (info) => info.lastDownstreamByteReceived,
  US_TX_BEG: (info) => info.firstUpstreamByteSent,
  US_TX_END: (info) => info.lastUpstreamByteSent,
  US_CX_BEG: (info) => info.upstreamConnectTimes?.connectStart ?? 0,
  US_CX_END: (info) => info.upstreamConnectTimes?.connectEnd ?? 0,
  US_HS_END: (info) => info.upstreamTls?.handshakeEnd ?? 0,
  US_RX_BEG: (info) => info.firstUpstreamByteReceived,
  US_RX_BODY_BEG: (info) => info.firstUpstreamBodyReceived,
  US_RX_END: (info) => info.lastUpstreamByteReceived,
  DS_TX_BEG: (info) => info.firstDownstreamByteSent,
  DS_TX_END: (info) => info.lastDownstreamByteSent,
};
const unitsPerMillisecond: Record<string, number> = { ms: 1, us: 1000, ns: 1e6 };

const commonDuration: OperatorSpec = {
  syntax: Syntax.paramsRequired,
  create: (params) => {
    const parts = params.split(':');
    if (parts.length < 2 || parts.length > 3) return `Invalid common duration configuration: ${params}.`;
    const units = unitsPerMillisecond[parts[2] ?? 'ms'];
    if (units === undefined) return `Invalid common duration precision: ${parts[2]}.`;
    // Other names are points that filters may record; there are none of those.
    const begin = timePoints[parts[0]] ?? (() => 0);
    const end = timePoints[parts[1]] ?? (() => 0);
    return numberOperator(({ info }) => {
      const from = begin(info);
      const to = end(info);
      return from === 0 || to === 0 || to < from ? undefined : Math.floor((to - from) * units);
    });
  },
};

export const timeOperators: OperatorTable = {
  START_TIME: timeField(({ info }) => info.startTime, false),
  START_TIME_LOCAL: timeField(({ info }) => info.startTime, true),
  EMIT_TIME: timeField(wallNow, false),
  EMIT_TIME_LOCAL: timeField(wallNow, true),
  // A stream that still runs has lasted until now.
  DURATION: numberField(({ info }) =>
    Math.floor((info.endMonotonic || Math.max(now, info.startMonotonic)) - info.startMonotonic),
  ),
  REQUEST_DURATION: sinceStart((info) => info.lastDownstreamByteReceived),
  REQUEST_TX_DURATION: sinceStart((info) => info.lastUpstreamByteSent),
  RESPONSE_DURATION: sinceStart((info) => info.firstUpstreamByteReceived),
  RESPONSE_TX_DURATION: numberField(({ info }) => {
    const from = info.firstUpstreamByteReceived;
    const to = info.lastDownstreamByteSent;
    return from === 0 || to === 0 ? undefined : Math.floor(to - from);
  }),
  // Only QUIC measures it.
  ROUNDTRIP_DURATION: numberField(() => undefined),
  COMMON_DURATION: commonDuration,
};

/** Which options of a listener's sockets Node can set, read from its message; both configuration and data path ask. */
import type { envoy } from '../api/envoy_types.ts';

type SocketOption = envoy.config.core.v3.SocketOption;

/** Options of accepted sockets, which a system hands down from the listening one. */
export interface AcceptedSocketOptions {
  /** Seconds of silence, seconds between probes, probes without an answer; 0 keeps the system's own. */
  keepAlive?: { time: number; interval: number; probes: number };
  /** IP_TOS or IPV6_TCLASS. */
  typeOfService?: number;
}

type Setter = (options: AcceptedSocketOptions, value: number) => void;

const nothing: Setter = () => {};
const keepAlive = (options: AcceptedSocketOptions) => (options.keepAlive ??= { time: 0, interval: 0, probes: 0 });
const typeOfService: Setter = (options, value) => {
  options.typeOfService = value;
};

/** By `level/name` in Linux' numbers; SO_REUSEADDR and TCP_NODELAY are always on, as in Envoy. */
const settable: Record<string, Setter> = {
  '1/2': nothing,
  '1/9': (options, value) => {
    if (value !== 0) keepAlive(options);
  },
  '6/1': nothing,
  '6/4': (options, value) => {
    keepAlive(options).time = value;
  },
  '6/5': (options, value) => {
    keepAlive(options).interval = value;
  },
  '6/6': (options, value) => {
    keepAlive(options).probes = value;
  },
  '0/1': typeOfService,
  '41/67': typeOfService,
};

/** Why an option cannot be honoured; undefined when it can. */
export function socketOptionProblem({ level, name, value }: SocketOption): string | undefined {
  if (value.case !== 'intValue') return `socket option level ${level} name ${name}: only int_value is supported`;
  if (`${level}/${name}` in settable) return undefined;
  return `socket option level ${level} name ${name} cannot be set by Node.js`;
}

/** What the sockets that a listener accepts get. */
export function acceptedSocketOptions(
  options: readonly SocketOption[],
  tcpKeepAlive?: envoy.config.core.v3.TcpKeepalive,
): AcceptedSocketOptions {
  const result: AcceptedSocketOptions = {};
  for (const { level, name, value } of options) {
    if (value.case === 'intValue') settable[`${level}/${name}`]?.(result, Number(value.value));
  }
  if (tcpKeepAlive !== undefined) {
    const { keepaliveTime, keepaliveInterval, keepaliveProbes } = tcpKeepAlive;
    result.keepAlive = { time: keepaliveTime ?? 0, interval: keepaliveInterval ?? 0, probes: keepaliveProbes ?? 0 };
  }
  return result;
}

/** Opens connections to upstream hosts. */
import { Socket } from 'node:net';
import { tick } from '../common/clock.ts';
import type { Address } from '../common/stream_info.ts';
import { Connection, type ConnectionCallbacks } from './connection.ts';
import { runEvent } from './event.ts';
import { roomForHost } from './socket_budget.ts';

/** TCP keepalive as the system takes it: seconds of silence, seconds between probes, probes without an answer. */
export interface KeepAlive {
  readonly time: number;
  readonly interval: number;
  readonly probes: number;
}

export interface ConnectOptions {
  /** Per-connection buffer limit in bytes. */
  readonly bufferLimit: number;
  /** Undefined: no probes. */
  readonly keepAlive?: KeepAlive;
  /** Where connections to IPv4 hosts come from; undefined leaves it to the system. */
  readonly source4?: Address;
  /** Where connections to IPv6 hosts come from. */
  readonly source6?: Address;
  /** The source address could not be bound; `callbacks.onClosed` follows. */
  readonly onBindError?: () => void;
}

/** Starts to connect; `callbacks.onConnected` or `callbacks.onClosed` follows. */
export function connect(target: Address, options: ConnectOptions, callbacks: ConnectionCallbacks): Connection {
  let connection: Connection | undefined;
  const socket = new Socket({
    allowHalfOpen: true,
    highWaterMark: 1,
    onread: {
      buffer: () => connection!.nextReadBuffer() as Buffer,
      callback: (length: number) => {
        connection!.onRead(length);
        return true;
      },
    },
  } as never);
  connection = new Connection(socket, callbacks, options.bufferLimit);
  const opened = connection;
  socket.once('connect', () => runEvent(opened, onConnected));
  if (!roomForHost()) {
    socket.destroy(Object.assign(new Error('too many open sockets'), { code: 'EMFILE' }));
    return opened;
  }
  if (target.ip === '') {
    // Linux' abstract names begin with NUL where configuration has `@`.
    socket.connect({ path: target.text.startsWith('@') ? `\0${target.text.slice(1)}` : target.text });
    return opened;
  }
  socket.setNoDelay(true);
  const { keepAlive } = options;
  if (keepAlive !== undefined) setKeepAlive(socket, keepAlive);
  const source = target.ip.includes(':') ? options.source6 : options.source4;
  if (source === undefined) socket.connect({ host: target.ip, port: target.port });
  else connectFrom(socket, target, source, options);
  return opened;
}

function connectFrom(socket: Socket, target: Address, source: Address, options: ConnectOptions): void {
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'bind') options.onBindError?.();
  });
  const localPort = source.port === 0 ? undefined : source.port;
  socket.connect({ host: target.ip, port: target.port, localAddress: source.ip, localPort });
}

/** Interval and count are arguments since Node 26; before it takes no notice of them and leaves libuv's. */
function setKeepAlive(socket: Socket, { time, interval, probes }: KeepAlive): void {
  (socket.setKeepAlive as (enable: boolean, time: number, interval: number, probes: number) => void).call(
    socket,
    true,
    time * 1000,
    interval * 1000,
    probes,
  );
}

function onConnected(connection: Connection): void {
  tick();
  if (!connection.isClosing) connection.callbacks.onConnected?.();
}

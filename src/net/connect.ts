/** Opens connections to upstream hosts. */
import { Socket } from 'node:net';
import { tick } from '../common/clock.ts';
import type { Address } from '../common/stream_info.ts';
import { Connection, type ConnectionCallbacks } from './connection.ts';
import { runEvent } from './event.ts';

export interface ConnectOptions {
  /** Per-connection buffer limit in bytes. */
  readonly bufferLimit: number;
  /** Seconds of silence before TCP keepalive probes; undefined: no probes. */
  readonly keepAliveSeconds?: number;
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
  const keepAlive = options.keepAliveSeconds;
  const common = {
    noDelay: true,
    keepAlive: keepAlive !== undefined,
    keepAliveInitialDelay: (keepAlive ?? 0) * 1000,
  };
  if (target.ip === '') socket.connect({ path: target.text });
  else socket.connect({ host: target.ip, port: target.port, ...common });
  return opened;
}

function onConnected(connection: Connection): void {
  tick();
  if (!connection.isClosing) connection.callbacks.onConnected?.();
}

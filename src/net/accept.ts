/** Step 1 of the data path: a listening socket of one worker, and the connections it accepts. */
import { createServer, type ListenOptions, type Server, Socket } from 'node:net';
import { Connection, type ConnectionCallbacks } from './connection.ts';
import { takeRawHandles } from './raw_handle.ts';
import { sharedReadBuffer } from './read_buffers.ts';

export interface AcceptOptions {
  /** IP address or absolute UNIX socket path. */
  readonly host: string;
  readonly port: number;
  readonly path?: string;
  readonly reusePort: boolean;
  readonly backlog?: number;
  /** Per-connection buffer limit in bytes. */
  readonly bufferLimit: number;
}

/** Makes the owner of a connection that was accepted; it must set `callbacks` before it returns. */
export type OnAccept = (connection: Connection) => void;

const ignore: ConnectionCallbacks = { onData() {}, onEnd() {}, onBlocked() {}, onWritable() {}, onClosed() {} };

export class Acceptor {
  private readonly server: Server;
  private readonly options: AcceptOptions;

  constructor(options: AcceptOptions, onAccept: OnAccept) {
    this.options = options;
    const accept = (socket: Socket) => onAccept(adopt(socket, options.bufferLimit));
    this.server = createServer({ noDelay: true, allowHalfOpen: true, highWaterMark: 1 }, accept);
    this.server.on('listening', () => {
      takeRawHandles(this.server, (handle) => onAccept(adoptHandle(handle, options.bufferLimit)));
    });
  }

  /** Binds and listens; `onListening` gets the error, if any. */
  listen(done: (error: NodeJS.ErrnoException | undefined) => void): void {
    const { host, port, path, reusePort, backlog } = this.options;
    const fail = (error: NodeJS.ErrnoException) => done(error);
    this.server.once('error', fail);
    const where: ListenOptions = path === undefined ? { host, port, reusePort } : { path };
    this.server.listen({ ...where, backlog: backlog ?? 4096 }, () => {
      this.server.off('error', fail);
      // Running out of descriptors must not end the worker: what cannot be accepted stays in the backlog.
      this.server.on('error', () => {});
      done(undefined);
    });
  }

  /** The port it listens on; 0 for a UNIX socket. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Stops accepting; connections that are open stay. */
  close(): void {
    this.server.close();
  }
}

/** The way without private parts of Node: reads come as 'data' events in buffers of their own. */
function adopt(socket: Socket, bufferLimit: number): Connection {
  const connection = new Connection(socket, ignore, bufferLimit);
  socket.on('data', (bytes: Buffer) => connection.onBytes(bytes, bytes.length));
  return connection;
}

/** A connection over a raw handle, which reads into our buffers. */
function adoptHandle(handle: unknown, bufferLimit: number): Connection {
  let connection: Connection | undefined;
  const options = {
    handle,
    allowHalfOpen: true,
    highWaterMark: 1,
    manualStart: true,
    onread: {
      buffer: () => (connection === undefined ? sharedReadBuffer : connection.nextReadBuffer()),
      callback: (length: number) => {
        connection!.onRead(length);
        return true;
      },
    },
  };
  const socket = new Socket(options as never);
  connection = new Connection(socket, ignore, bufferLimit);
  socket.resume();
  return connection;
}

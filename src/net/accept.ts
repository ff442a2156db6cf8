/** Step 1 of the data path: a listening socket of one worker, and the connections it accepts. */
import { createServer, type ListenOptions, type Server, Socket } from 'node:net';
import { isPipe } from '../common/address.ts';
import type { AcceptedSocketOptions } from '../common/socket_options.ts';
import type { Address } from '../common/stream_info.ts';
import { UnixPath } from '../common/unix_path.ts';
import { Connection, type ConnectionCallbacks } from './connection.ts';
import { takeRawHandles } from './raw_handle.ts';
import { readBufferFor } from './read_buffers.ts';

export interface AcceptOptions {
  /** An IP address with port, or a UNIX socket. */
  readonly address: Address;
  /** Permissions of a UNIX socket's file; 0: as the umask leaves them. */
  readonly mode?: number;
  /** An IPv6 socket that takes no IPv4. */
  readonly ipv6Only?: boolean;
  /** Shared with the sockets of other workers; not for UNIX sockets. */
  readonly reusePort: boolean;
  /** Connections the system holds until they are accepted; undefined: the system's most. */
  readonly backlog?: number;
  /** Per-connection buffer limit in bytes. */
  readonly bufferLimit: number;
  readonly socket?: AcceptedSocketOptions;
}

/** Makes the owner of a connection that was accepted; it must set `callbacks` before it returns. */
export type OnAccept = (connection: Connection, acceptor: Acceptor) => void;

const ignore: ConnectionCallbacks = { onData() {}, onEnd() {}, onBlocked() {}, onWritable() {}, onClosed() {} };
/** The kernel cuts it to net.core.somaxconn, which is Envoy's default. */
const mostBacklog = 65_535;

export class Acceptor {
  readonly address: Address;
  private readonly server: Server;
  private listening = false;
  private options: AcceptOptions;
  /** Another listener may take the socket over, with all that waits in its queue. */
  private onAccept: OnAccept;

  constructor(options: AcceptOptions, onAccept: OnAccept) {
    this.options = options;
    this.onAccept = onAccept;
    this.address = options.address;
    const accept = (connection: Connection) => {
      const { socket } = this.options;
      if (socket !== undefined) setOptions(connection.socket, socket);
      this.onAccept(connection, this);
      if (!connection.started) connection.start();
    };
    this.server = createServer({ noDelay: true, allowHalfOpen: true, highWaterMark: 1 }, (socket) =>
      accept(adopt(socket, this.options.bufferLimit)),
    );
    this.server.on('listening', () => {
      takeRawHandles(this.server, (handle) => accept(adoptHandle(handle, this.options.bufferLimit)));
    });
  }

  /** Whether another one would listen in the same way; what they do with connections may differ. */
  listensAs(other: Acceptor): boolean {
    const [one, two] = [this.options, other.options];
    return (
      one.address.text === two.address.text &&
      one.mode === two.mode &&
      one.ipv6Only === two.ipv6Only &&
      one.reusePort === two.reusePort &&
      one.backlog === two.backlog
    );
  }

  /** Connections from now on, those in its queue too, are treated as `other` would. */
  serveAs(other: Acceptor): void {
    this.options = other.options;
    this.onAccept = other.onAccept;
  }

  /** Binds and listens, unless it was taken over and does so already; `done` gets the error, if any. */
  listen(done: (error: NodeJS.ErrnoException | undefined) => void): void {
    const { address, mode, ipv6Only, reusePort, backlog } = this.options;
    if (this.listening) {
      done(undefined);
      return;
    }
    this.listening = true;
    const fail = (error: NodeJS.ErrnoException) => done(error);
    this.server.once('error', fail);
    const unix = isPipe(address) ? new UnixPath(address.text) : undefined;
    const where: ListenOptions =
      unix === undefined ? { host: address.ip, port: address.port, ipv6Only, reusePort } : { path: unix.bind };
    this.server.listen({ ...where, backlog: backlog ?? mostBacklog }, () => {
      this.server.off('error', fail);
      // Running out of descriptors must not end the worker: what cannot be accepted stays in the backlog.
      this.server.on('error', () => {});
      unix?.publish(mode ?? 0);
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

function setOptions(socket: Socket, { keepAlive, typeOfService }: AcceptedSocketOptions): void {
  if (keepAlive !== undefined) {
    // Interval and count are arguments since Node 26; before it takes no notice of them.
    (socket.setKeepAlive as (on: boolean, time: number, interval: number, probes: number) => void).call(
      socket,
      true,
      keepAlive.time * 1000,
      keepAlive.interval * 1000,
      keepAlive.probes,
    );
  }
  if (typeOfService !== undefined) (socket as SocketWithTos).setTypeOfService?.(typeOfService);
}

/** Since Node 25. */
interface SocketWithTos {
  setTypeOfService?(tos: number): unknown;
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
      buffer: () => (connection === undefined ? readBufferFor(bufferLimit) : connection.nextReadBuffer()),
      callback: (length: number) => {
        connection!.onRead(length);
        return true;
      },
    },
  };
  const socket = new Socket(options as never);
  connection = new Connection(socket, ignore, bufferLimit);
  connection.started = false;
  return connection;
}

/** Opens connections to upstream hosts. */
import { Socket, type SocketConnectOpts } from 'node:net';
import { tick } from '../common/clock.ts';
import type { Address } from '../common/stream_info.ts';
import { Connection, type ConnectionCallbacks } from './connection.ts';
import { runEvent } from './event.ts';
import { readBufferFor } from './read_buffers.ts';
import { roomForHost } from './socket_budget.ts';
import type { TlsStarter } from './tls_starter.ts';

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
  /** Where connections to IPv4 hosts come from; with neither of both the system decides. */
  readonly source4?: Address;
  /** Where connections to IPv6 hosts come from. */
  readonly source6?: Address;
  /** The source address could not be bound; `callbacks.onClosed` follows. */
  readonly onBindError?: (connection: Connection, source: Address, code: string) => void;
  /** Speaks TLS to the host; `callbacks.onConnected` then comes when the handshake is done. */
  readonly tls?: TlsConnector;
}

/** Who speaks TLS to hosts (src/net/tls): one object for all connections of a cluster. */
export interface TlsConnector extends TlsStarter {
  /** Makes a TLS socket that connects; undefined while the secrets have not come. */
  connect(options: TlsConnectOptions): Socket | undefined;
}

/** What a TLS socket connects to, and how it reads: see net.connect(). */
export interface TlsConnectOptions {
  /** Or a socket that is connected already. */
  readonly where: SocketConnectOpts | { readonly socket: Socket };
  readonly onread: object;
  readonly peer: TlsPeer;
}

/** What differs from one TLS connection of a cluster to the next. */
export interface TlsPeer {
  /** `ip:port` of the host. */
  readonly address: string;
  /** The name of the host, for auto_host_sni; may be empty. */
  readonly hostname: string;
  /** Goes before the configured SNI (auto_sni: the host of the request); undefined leaves that. */
  readonly serverName?: string;
  /** What the certificate must be for (auto_san_validation); undefined leaves that to configuration. */
  readonly verifiedName?: string;
  /** Offered where configuration names no protocols. */
  readonly alpn?: readonly string[];
}

/** What a connection begins with, below TLS too: the PROXY protocol's header. Asked when it is connected. */
export type FirstBytes = (connection: Connection) => Uint8Array;

/**
 * Starts to connect; `callbacks.onConnected` or `callbacks.onClosed` follows. `peer` says what is special about this TLS
 * connection.
 */
export function connect(
  target: Address,
  options: ConnectOptions,
  callbacks: ConnectionCallbacks,
  peer?: TlsPeer,
  first?: FirstBytes,
): Connection {
  let connection: Connection | undefined;
  const onread = {
    // A TLS socket asks while it is made.
    buffer: () => (connection === undefined ? readBufferFor(options.bufferLimit) : connection.nextReadBuffer()),
    callback: (length: number) => {
      connection!.onRead(length);
      return true;
    },
  };
  const { tls, keepAlive } = options;
  const room = roomForHost();
  const { source4, source6 } = options;
  const [source, other] = target.ip.includes(':') ? [source6, source4] : [source4, source6];
  // Nothing is sent from an address that configuration did not name.
  const unfit = source === undefined && target.ip !== '' ? other : undefined;
  const where = destination(target, source);
  const tlsPeer = peer ?? { address: target.text, hostname: '' };
  const tlsSocket =
    room && unfit === undefined && first === undefined ? tls?.connect({ where, onread, peer: tlsPeer }) : undefined;
  const socket = tlsSocket ?? new Socket({ allowHalfOpen: true, highWaterMark: 1, onread } as never);
  connection = new Connection(socket, callbacks, options.bufferLimit);
  const opened = connection;
  if (!room) {
    socket.destroy(Object.assign(new Error('too many open sockets'), { code: 'EMFILE' }));
    return opened;
  }
  if (unfit !== undefined) {
    options.onBindError?.(opened, unfit, 'EAFNOSUPPORT');
    socket.destroy(Object.assign(new Error('no source address of its family'), { code: 'EAFNOSUPPORT' }));
    return opened;
  }
  if (source !== undefined) {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.syscall === 'bind') options.onBindError?.(opened, source, error.code ?? '');
    });
  }
  if (target.ip !== '') {
    socket.setNoDelay(true);
    if (keepAlive !== undefined) setKeepAlive(socket, keepAlive);
  }
  if (first !== undefined) {
    const plan = { first, tls, onread, peer: tlsPeer };
    socket.once('connect', () => runEvent(opened, () => onConnectedBare(opened, plan)));
    socket.connect(where);
  } else if (tls !== undefined && tlsSocket !== undefined) opened.startTls(tls);
  else if (tls !== undefined) failWithoutSecret(opened);
  else {
    socket.once('connect', () => runEvent(opened, onConnected));
    socket.connect(where);
  }
  return opened;
}

function destination(target: Address, source: Address | undefined): SocketConnectOpts {
  // Linux' abstract names begin with NUL where configuration has `@`.
  if (target.ip === '') return { path: target.text.startsWith('@') ? `\0${target.text.slice(1)}` : target.text };
  if (source === undefined) return { host: target.ip, port: target.port };
  const localPort = source.port === 0 ? undefined : source.port;
  return { host: target.ip, port: target.port, localAddress: source.ip, localPort };
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

function failWithoutSecret(connection: Connection): void {
  connection.transportFailureReason = 'TLS_error:Secret_is_not_supplied_by_SDS';
  connection.socket.destroy();
}

interface AfterFirst {
  readonly first: FirstBytes;
  readonly tls: TlsConnector | undefined;
  readonly onread: object;
  readonly peer: TlsPeer;
}

/** Connected, with something to say before TLS begins or the owner writes. */
function onConnectedBare(connection: Connection, { first, tls, onread, peer }: AfterFirst): void {
  tick();
  if (connection.isClosing) return;
  const header = Buffer.from(first(connection));
  connection.writeBytes(header, 0, header.length);
  if (tls === undefined) {
    connection.callbacks.onConnected?.();
    return;
  }
  connection.flush();
  const secure = tls.connect({ where: { socket: connection.socket }, onread, peer });
  if (secure === undefined) {
    failWithoutSecret(connection);
    return;
  }
  // Node reads into buffers of its own where TLS is made over another socket.
  secure.on('data', (bytes: Buffer) => connection.onPrivateBytes(bytes));
  connection.setTlsSocket(secure);
  connection.startTls(tls);
}

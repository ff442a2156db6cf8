/** The data path without HTTP, host's side: what a TCP proxy asks of it, be it a connection of its own or a tunnel. */
import type { Address, TlsInfo } from '../common/stream_info.ts';
import type { TcpProxyConfig } from './config.ts';

export interface HostSide {
  /** The host has sent all it will. */
  readonly ended: boolean;
  /** The client ended its side after the host had. */
  localEndedLast: boolean;
  write(bytes: Buffer, start: number, end: number): void;
  /** The client has sent all it will. */
  endWrites(): void;
  pauseReading(): void;
  resumeReading(): void;
  onConnectTimeout(): void;
  /** The three ends: the proxy hears nothing more of it. */
  reset(): void;
  closeNow(): void;
  /** The client has gone: sends what is left of it first. */
  closeAfterFlush(config: TcpProxyConfig): void;
}

/** A host that takes bytes now. */
export interface ReadyHost {
  readonly localAddress: Address;
  readonly connectionId: number;
  readonly tls?: TlsInfo | undefined;
}

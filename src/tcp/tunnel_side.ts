/** The data path without HTTP, host's side: the bytes as the body of a CONNECT or POST to another proxy (tunneling_config). */
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileFormat } from '../common/formatter/parse_format.ts';
import { compileHeaderMutations } from '../common/header_mutation.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { FormatContext } from '../spi/format.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from '../upstream/client_stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { HostSide } from './host_side.ts';
import type { TcpProxy } from './tcp_proxy.ts';

type TunnelingConfig = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy_TunnelingConfig;

/** The head of the request that opens a tunnel for a connection. */
export type TunnelHead = (connection: FormatContext) => RequestHead;

const noBytes = Buffer.alloc(0);

/** Throws with Envoy's reason when the name of the host is no format. */
export function compileTunnelHead(message: TunnelingConfig): TunnelHead {
  const hostname = compileFormat(message.hostname);
  const mutations = compileHeaderMutations(message.headersToAdd, []);
  const method = message.usePost ? 'POST' : 'CONNECT';
  const path = message.usePost ? message.postPath || '/' : '';
  return (connection) => {
    const authority = hostname.format(connection);
    const head = { method, path, authority, scheme: 'http', protocol: 'HTTP/1.1', headers: new HeaderMap() } as const;
    mutations.applyToRequest(head, connection);
    return head;
  };
}

export class TunnelSide implements HostSide, PoolCallbacks {
  ended = false;
  localEndedLast = false;
  private readonly proxy: TcpProxy;
  private readonly head: RequestHead;
  private pending: PendingStream | undefined;
  private stream: ClientStream | undefined;
  private established = false;
  private over = false;

  constructor(proxy: TcpProxy, head: RequestHead) {
    this.proxy = proxy;
    this.head = head;
  }

  /** The proxy may hear the outcome before this returns. */
  start(cluster: Cluster, host: Host, client: ConnectionInfo): void {
    const pending = cluster.poolFor(host, 0, this.head, client).newStream(this);
    if (!this.over) this.pending = pending;
  }

  // === HostSide ===

  write(bytes: Buffer, start: number, end: number): void {
    this.stream?.sendData(bytes, start, end, false);
  }

  endWrites(): void {
    this.stream?.sendData(noBytes, 0, 0, true);
  }

  pauseReading(): void {
    this.stream?.pauseResponse();
  }

  resumeReading(): void {
    this.stream?.resumeResponse();
  }

  /** The pool has its own timer. */
  onConnectTimeout(): void {}

  reset(): void {
    this.closeNow();
  }

  closeNow(): void {
    this.over = true;
    this.pending?.cancel();
    this.pending = undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }

  closeAfterFlush(): void {
    this.closeNow();
  }

  // === PoolCallbacks ===

  onPoolReady(stream: ClientStream): void {
    this.pending = undefined;
    this.stream = stream;
    stream.sendHeaders(this.head, false);
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.pending = undefined;
    this.over = true;
    this.proxy.onConnectFailed(reason, detail);
  }

  onInformational(): void {}

  onResponseHeaders({ status }: ResponseHead, endStream: boolean): void {
    if (this.over) return;
    const { stream } = this;
    if (status < 200 || status > 299 || endStream || stream === undefined) {
      this.closeNow();
      this.proxy.onConnectFailed('remote connection failure', `tunnel_response:${status}`);
      return;
    }
    this.established = true;
    this.proxy.onUpstreamConnected(stream);
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.over) return;
    if (end > start) this.proxy.onUpstreamData(bytes, start, end);
    if (endStream) this.endReads();
  }

  onResponseTrailers(): void {
    this.endReads();
  }

  onStreamReset(): void {
    if (this.over) return;
    this.over = true;
    this.stream = undefined;
    if (this.established) this.proxy.onUpstreamClosed('');
    else this.proxy.onConnectFailed('remote connection failure', '');
  }

  onStreamBlocked(): void {
    if (!this.over) this.proxy.onUpstreamBlocked();
  }

  onStreamWritable(): void {
    if (!this.over) this.proxy.onUpstreamWritable();
  }

  private endReads(): void {
    if (this.over) return;
    this.ended = true;
    this.proxy.onUpstreamEnd();
  }
}

/** A gRPC service of the configuration, as extensions on workers call it: its cluster, its metadata, its limits. */
import { MessageReader } from '../../native-free/grpc/message_framing.ts';
import { GrpcStatus } from '../../native-free/grpc/status.ts';
import { formatGrpcTimeout } from '../../native-free/grpc/timeout.ts';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import { sanitizeValue } from '../../native-free/headers/sanitize_value.ts';
import {
  CONTENT_TYPE,
  GRPC_TIMEOUT,
  TE,
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_INTERNAL,
  X_FORWARDED_FOR,
} from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { parseHeaderValue } from '../common/formatter/header_value.ts';
import type { Formatter } from '../common/formatter/parse_format.ts';
import { localAddress } from '../common/local_address.ts';
import { HTTP_ROUTER } from '../common/stats/layouts.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';
import type {
  GrpcCall,
  GrpcCallOptions,
  GrpcClient,
  GrpcStream,
  GrpcStreamCallbacks,
  GrpcUnaryCallbacks,
} from '../spi/grpc_client.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { OutgoingCall } from './outgoing_call.ts';

type GrpcService = envoy.config.core.v3.GrpcService;

interface Metadata {
  readonly name: HeaderName;
  readonly value: string | Formatter;
}

/** What gRPC libraries take by default; messages of these services are small. */
const defaultMaxMessageBytes = 4 * 1024 * 1024;

export class ClusterGrpcClient implements GrpcClient {
  private readonly clusters: ClusterManager;
  private readonly clusterName: string;
  private readonly authority: string;
  private readonly timeout: number;
  private readonly metadata: readonly Metadata[];
  private readonly skipEnvoyHeaders: boolean;
  private readonly maxMessageBytes: number;
  /** `http.async-client.` */
  private readonly stats: Float64Array;

  /** Throws on what configuration validation refuses: a target that is no cluster, malformed metadata. */
  constructor(service: GrpcService, clusters: ClusterManager, stats: StatsStore) {
    const { targetSpecifier: target } = service;
    if (target.case !== 'envoyGrpc') throw new Error('only envoy_grpc services are supported');
    const { clusterName, authority, skipEnvoyHeaders, maxReceiveMessageLength } = target.value;
    this.clusters = clusters;
    this.clusterName = clusterName;
    this.authority = toWire(authority || clusterName);
    this.timeout = Math.trunc(durationMs(service.timeout) ?? 0);
    this.metadata = service.initialMetadata.map(compileMetadata);
    this.skipEnvoyHeaders = skipEnvoyHeaders;
    this.maxMessageBytes = maxReceiveMessageLength ?? defaultMaxMessageBytes;
    this.stats = stats.block(HTTP_ROUTER, 'http.async-client.');
  }

  unary(path: string, message: Uint8Array, callbacks: GrpcUnaryCallbacks, options: GrpcCallOptions = {}): GrpcCall {
    const call = this.stream(path, new UnaryCall(callbacks), options);
    call.send(message);
    call.closeSend();
    return call;
  }

  stream(path: string, callbacks: GrpcStreamCallbacks, options: GrpcCallOptions = {}): GrpcStream {
    const timeout = options.timeout ?? this.timeout;
    const call = new OutgoingCall(callbacks, new MessageReader(this.maxMessageBytes));
    this.stats[HTTP_ROUTER.slot.rq_total]++;
    const cluster = this.clusters.get(this.clusterName);
    if (cluster === undefined) call.fail(GrpcStatus.Unavailable, 'Cluster not available');
    else call.start(cluster, this.head(path, timeout, options.parent), timeout);
    return call;
  }

  private head(path: string, timeout: number, parent: FormatContext | undefined): RequestHead {
    const headers = new HeaderMap();
    headers.add(TE, 'trailers');
    if (timeout > 0) headers.add(GRPC_TIMEOUT, formatGrpcTimeout(timeout));
    headers.add(CONTENT_TYPE, 'application/grpc');
    for (const { name, value } of this.metadata) headers.add(name, this.valueOf(value, parent));
    if (!this.skipEnvoyHeaders) {
      headers.add(X_ENVOY_INTERNAL, 'true');
      headers.add(X_FORWARDED_FOR, localAddress());
      if (timeout > 0) headers.add(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, String(timeout));
    }
    return { method: 'POST', path, authority: this.authority, scheme: 'http', protocol: 'HTTP/2', headers };
  }

  private valueOf(value: string | Formatter, parent: FormatContext | undefined): string {
    if (typeof value === 'string') return value;
    return parent === undefined ? '' : sanitizeValue(value.format(parent));
  }
}

/** A stream of which one message is wanted. */
class UnaryCall implements GrpcStreamCallbacks {
  private readonly callbacks: GrpcUnaryCallbacks;
  private message: Uint8Array | undefined;
  private extra = false;

  constructor(callbacks: GrpcUnaryCallbacks) {
    this.callbacks = callbacks;
  }

  onMessage(message: Uint8Array): void {
    if (this.message !== undefined) this.extra = true;
    else this.message = Uint8Array.from(message);
  }

  onClosed(status: number, text: string): void {
    if (status !== GrpcStatus.Ok) this.callbacks.onFailure(status, text);
    else if (this.message === undefined || this.extra) {
      this.callbacks.onFailure(GrpcStatus.Internal, `${this.extra ? 'more than one' : 'no'} message in a unary answer`);
    } else this.callbacks.onSuccess(this.message);
  }
}

function compileMetadata(header: envoy.config.core.v3.HeaderValue): Metadata {
  const value = parseHeaderValue(header);
  if (typeof value !== 'string' && 'error' in value) throw new Error(value.error);
  return { name: headerName(header.key), value };
}

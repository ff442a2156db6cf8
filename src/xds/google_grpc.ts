/** Control path, step 3: `google_grpc`: a control plane that is named by its address, with the credentials it asks for. */
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import { GrpcStatus } from '../../native-free/grpc/status.ts';
import type { envoy } from '../api/envoy_types.ts';
import { googleTarget } from '../common/google_grpc_target.ts';
import { defineLayout } from '../common/stats/layout.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import { type DataSource, readDataSource } from '../common/tls/data_source.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ControlPlaneHost, ControlPlanes } from './control_plane.ts';
import type { StreamCounter } from './grpc/channel.ts';

type GoogleGrpc = envoy.config.core.v3.GrpcService_GoogleGrpc;
type SslCredentials = envoy.config.core.v3.GrpcService_GoogleGrpc_SslCredentials;

/** `grpc.<stat_prefix>.`; streams that ended, by status. */
const GOOGLE_GRPC = defineLayout('google_grpc', [
  'google_grpc_client_creation',
  'streams_total',
  ...Array.from({ length: 17 }, (_, status) => `streams_closed_${status}` as const),
]);

/** Milliseconds, as gRPC has them. */
const connectTimeout = 20_000;
const defaultKeepaliveTimeout = 20_000;

/** Settings of the channel that are honoured; others change nothing of what is said. */
function argumentOf(config: GoogleGrpc, name: string): string | number | undefined {
  const { valueSpecifier: found } = config.channelArgs?.args[name] ?? { valueSpecifier: { case: undefined } };
  if (found.case === undefined) return undefined;
  return found.case === 'intValue' ? Number(found.value) : found.value;
}

export function googleAuthority(config: GoogleGrpc): string {
  const target = googleTarget(config.targetUri);
  const named = argumentOf(config, 'grpc.default_authority') ?? argumentOf(config, 'grpc.ssl_target_name_override');
  return String(named ?? (typeof target === 'string' ? config.targetUri : target.authority));
}

/** What every stream brings with it. */
export function googleMetadata(config: GoogleGrpc): [string, string][] {
  return config.callCredentials.flatMap(({ credentialSpecifier: chosen }): [string, string][] =>
    chosen.case === 'accessToken' ? [['authorization', `Bearer ${chosen.value}`]] : [],
  );
}

/** The one control plane of a GoogleGrpc, whatever name it is asked for by. Files of its credentials are read at every connection. */
export class GooglePlane implements ControlPlanes, StreamCounter {
  /** Slots of `grpc.<stat_prefix>.` */
  private readonly streams: Float64Array;
  private readonly config: GoogleGrpc;
  private readonly addresses: readonly Address[];
  /** Its connections are counted nowhere, as in Envoy. */
  private readonly uncounted = new Float64Array(CLUSTER.names.length);
  private turn = 0;

  constructor(config: GoogleGrpc, stats: StatsStore) {
    const target = googleTarget(config.targetUri);
    this.config = config;
    this.addresses = typeof target === 'string' ? [] : target.addresses;
    this.streams = stats.block(GOOGLE_GRPC, `grpc.${config.statPrefix}.`);
    for (let i = 0; i < this.streams.length; i++) this.streams[i] += 0;
    this.streams[GOOGLE_GRPC.slot.google_grpc_client_creation]++;
  }

  nextHost(): ControlPlaneHost | undefined {
    const { config } = this;
    if (this.addresses.length === 0) return undefined;
    const address = this.addresses[this.turn++ % this.addresses.length];
    const { credentialSpecifier: chosen } = config.channelCredentials ?? { credentialSpecifier: { case: undefined } };
    const tls = chosen.case === 'sslCredentials' ? tlsOf(chosen.value, this.serverName(address)) : undefined;
    const interval = Number(argumentOf(config, 'grpc.keepalive_time_ms') ?? 0);
    const timeout = Number(argumentOf(config, 'grpc.keepalive_timeout_ms') ?? defaultKeepaliveTimeout);
    const keepalive = interval > 0 ? { interval, timeout, jitter: 0 } : undefined;
    return { address, tls, connectTimeout, stats: this.uncounted, keepalive };
  }

  onStreamOpened(): void {
    this.streams[GOOGLE_GRPC.slot.streams_total]++;
  }

  onStreamClosed(status: number): void {
    if (status <= GrpcStatus.Unauthenticated) this.streams[GOOGLE_GRPC.slot.streams_closed_0 + status]++;
  }

  private serverName({ ip }: Address): string {
    return String(argumentOf(this.config, 'grpc.ssl_target_name_override') ?? (ip === '' ? 'localhost' : ip));
  }
}

function tlsOf({ rootCerts, privateKey, certChain }: SslCredentials, name: string): ConnectionOptions {
  const roots = bytesOf(rootCerts);
  // An address has no place in SNI (RFC 6066, 3); the certificate is asked for it all the same.
  const sni = /^[\d.]+$|:/.test(name) ? {} : { servername: name };
  return { ca: roots ?? getCACertificates('system'), key: bytesOf(privateKey), cert: bytesOf(certChain), ...sni };
}

function bytesOf(source: DataSource | undefined): Buffer | undefined {
  if (source === undefined) return undefined;
  const data = readDataSource(source);
  return 'bytes' in data ? data.bytes : undefined;
}

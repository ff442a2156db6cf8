/** What CEL expressions may ask of a stream, by Envoy's names of attributes; each is read when it is asked for. */
import { create } from '@bufbuild/protobuf';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import type { HeaderMap } from '../../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../../native-free/headers/header_name.ts';
import { CONTENT_LENGTH, REFERER, USER_AGENT } from '../../../native-free/headers/well_known.ts';
import type { FormatContext } from '../../spi/format.ts';
import { grpcStatusOf } from '../formatter/grpc_operators.ts';
import type { Address, TlsInfo } from '../stream_info.ts';
import { legacyFlags } from './legacy_flags.ts';

/** Whatever the CEL engine takes; undefined: there is no such attribute on this stream. */
type Value = unknown;
type Readers<T> = Readonly<Record<string, (of: T) => Value>>;

const REQUEST_ID = headerName('x-request-id');

/** A group of attributes as the map that CEL takes it for; nothing is read but what is asked for. */
class Attributes<T> extends Map<string, Value> {
  private readonly readers: Readers<T>;
  private readonly of: T;

  constructor(readers: Readers<T>, of: T) {
    super();
    this.readers = readers;
    this.of = of;
  }

  override get(key: string): Value {
    return Object.hasOwn(this.readers, key) ? this.readers[key](this.of) : undefined;
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }
}

/** Header names are compared in lower case; repeated ones are joined. */
class Headers extends Map<string, Value> {
  private readonly headers: HeaderMap;
  private readonly pseudo: Readonly<Record<string, string>>;

  constructor(headers: HeaderMap, pseudo: Readonly<Record<string, string>>) {
    super();
    this.headers = headers;
    this.pseudo = pseudo;
  }

  override get(key: string): Value {
    if (typeof key !== 'string') return undefined;
    const name = key.toLowerCase();
    if (name.startsWith(':')) return this.pseudo[name];
    const { names, values } = this.headers;
    // By text: what an expression computes is no name that the codecs know.
    const found = values.filter((_value, i) => names[i].text === name);
    return found.length === 0 ? undefined : found.join(',');
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  override get size(): number {
    return this.allNames().size;
  }

  override keys(): MapIterator<string> {
    return this.allNames().values();
  }

  override *entries(): MapIterator<[string, Value]> {
    for (const name of this.allNames()) yield [name, this.get(name)];
  }

  override [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  private allNames(): Set<string> {
    const pseudo = Object.keys(this.pseudo).filter((name) => this.pseudo[name] !== '');
    return new Set([...pseudo, ...this.headers.names.map(({ text }) => text)]);
  }
}

const text = (value: string | undefined): Value => value || undefined;
const integer = (value: number | undefined): Value => (value === undefined ? undefined : BigInt(Math.trunc(value)));
const duration = (milliseconds: number): Value => {
  const seconds = Math.floor(milliseconds / 1000);
  return create(DurationSchema, {
    seconds: BigInt(seconds),
    nanos: Math.round((milliseconds - seconds * 1000) * 1e6),
  });
};
const portOf = (address: Address | undefined): Value => (address?.ip ? BigInt(address.port) : undefined);
const header = ({ request }: FormatContext, name: HeaderName): Value => request?.headers.get(name);

function splitPath(path: string): [path: string, query: string] {
  const mark = path.indexOf('?');
  return mark < 0 ? [path, ''] : [path.slice(0, mark), path.slice(mark + 1)];
}

function mapBytes(headers: HeaderMap | undefined): number {
  let bytes = 0;
  headers?.names.forEach((name, i) => {
    bytes += name.text.length + headers.values[i].length;
  });
  return bytes;
}

const request: Readers<FormatContext> = {
  path: (context) => context.request?.path,
  url_path: (context) => (context.request === undefined ? undefined : splitPath(context.request.path)[0]),
  query: (context) => (context.request === undefined ? undefined : splitPath(context.request.path)[1]),
  host: (context) => context.request?.authority,
  scheme: (context) => context.request?.scheme,
  method: (context) => context.request?.method,
  protocol: ({ info }) => info.protocol,
  headers: ({ request: head }) =>
    head &&
    new Headers(head.headers, {
      ':method': head.method,
      ':path': head.path,
      ':authority': head.authority,
      ':scheme': head.scheme,
    }),
  referer: (context) => header(context, REFERER),
  useragent: (context) => header(context, USER_AGENT),
  id: (context) => header(context, REQUEST_ID),
  time: ({ info }) => {
    const seconds = Math.floor(info.startTime / 1000);
    return create(TimestampSchema, {
      seconds: BigInt(seconds),
      nanos: Math.round((info.startTime - seconds * 1000) * 1e6),
    });
  },
  duration: ({ info }) => (info.endMonotonic === 0 ? undefined : duration(info.endMonotonic - info.startMonotonic)),
  size: (context) => {
    const length = header(context, CONTENT_LENGTH) as string | undefined;
    return length !== undefined && /^\d{1,15}$/.test(length) ? BigInt(length) : integer(context.info.bytesReceived);
  },
  total_size: ({ info, request: head }) => integer(info.bytesReceived + mapBytes(head?.headers)),
};

const response: Readers<FormatContext> = {
  code: ({ info }) => (info.responseCode === 0 ? undefined : integer(info.responseCode)),
  code_details: ({ info }) => text(info.responseCodeDetails),
  flags: ({ info }) => integer(legacyFlags(info.responseFlags)),
  grpc_status: (context) => integer(grpcStatusOf(context)),
  headers: ({ response: head }) => head && new Headers(head.headers, { ':status': String(head.status) }),
  trailers: ({ responseTrailers }) => responseTrailers && new Headers(responseTrailers, {}),
  size: ({ info }) => integer(info.bytesSent),
  total_size: ({ info, response: head, responseTrailers }) =>
    integer(info.bytesSent + mapBytes(head?.headers) + mapBytes(responseTrailers)),
  backend_latency: ({ info }) =>
    info.firstUpstreamByteSent === 0 || info.lastUpstreamByteReceived === 0
      ? undefined
      : duration(info.lastUpstreamByteReceived - info.firstUpstreamByteSent),
};

/** Of either connection, as attributes of `connection` and `upstream`. */
const certificates = (of: (context: FormatContext) => TlsInfo | undefined): Readers<FormatContext> => ({
  tls_version: (context) => text(of(context)?.version),
  subject_local_certificate: (context) => text(of(context)?.localSubject),
  subject_peer_certificate: (context) => text(of(context)?.peerSubject),
  uri_san_local_certificate: (context) => of(context)?.localUriSans[0],
  uri_san_peer_certificate: (context) => of(context)?.peerUriSans[0],
  dns_san_local_certificate: (context) => of(context)?.localDnsSans?.[0],
  dns_san_peer_certificate: (context) => of(context)?.peerDnsSans[0],
  sha256_peer_certificate_digest: (context) => text(of(context)?.peerFingerprint256),
});

const connection: Readers<FormatContext> = {
  ...certificates(({ info }) => info.connection?.tls),
  id: ({ info }) => integer(info.connection?.id),
  mtls: ({ info }) => info.connection?.tls?.peerCertificatePresented === true,
  requested_server_name: ({ info }) => info.connection?.requestedServerName,
  termination_details: ({ info }) => text(info.connectionTerminationDetails || info.connection?.terminationDetails),
  transport_failure_reason: ({ info }) => text(info.connection?.transportFailureReason),
};

const upstream: Readers<FormatContext> = {
  ...certificates(({ info }) => info.upstreamTls),
  address: ({ info }) => info.upstreamHost?.address,
  port: ({ info }) => {
    const port = /:(\d+)$/.exec(info.upstreamHost?.address ?? '')?.[1];
    return port === undefined ? undefined : BigInt(port);
  },
  local_address: ({ info }) => info.upstreamLocalAddress?.text,
  transport_failure_reason: ({ info }) => text(info.upstreamTransportFailureReason),
  request_attempt_count: ({ info }) => integer(info.upstreamRequestAttemptCount),
  cx_pool_ready_duration: ({ info }) =>
    info.poolReadyDuration === undefined ? undefined : duration(info.poolReadyDuration),
};

const source: Readers<FormatContext> = {
  address: ({ info }) => (info.remoteAddress ?? info.connection?.remoteAddress)?.text,
  port: ({ info }) => portOf(info.remoteAddress ?? info.connection?.remoteAddress),
};

const destination: Readers<FormatContext> = {
  address: ({ info }) => info.connection?.localAddress.text,
  port: ({ info }) => portOf(info.connection?.localAddress),
};

const xds: Readers<FormatContext> = {
  cluster_name: ({ info }) => text(info.upstreamCluster),
  cluster_metadata: ({ info }) => metadataOf(info.upstreamClusterMetadata),
  route_name: ({ info }) => text(info.routeName),
  route_metadata: ({ info }) => metadataOf(info.routeMetadata),
  virtual_host_metadata: ({ info }) => metadataOf(info.virtualHostMetadata),
  upstream_host_metadata: ({ info }) => metadataOf(info.upstreamHost?.metadata),
  filter_chain_name: ({ info }) => text(info.connection?.filterChainName),
  listener_metadata: ({ info }) => metadataOf(info.connection?.listenerMetadata),
};

/** As the fields of envoy.config.core.v3.Metadata. */
function metadataOf(metadata: { readonly filterMetadata: object } | undefined): Value {
  return metadata && { filter_metadata: metadata.filterMetadata };
}

const groups: Readers<FormatContext> = {
  request: (context) => new Attributes(request, context),
  response: (context) => new Attributes(response, context),
  connection: (context) => new Attributes(connection, context),
  upstream: (context) => new Attributes(upstream, context),
  source: (context) => new Attributes(source, context),
  destination: (context) => new Attributes(destination, context),
  xds: (context) => new Attributes(xds, context),
  metadata: ({ info }) => metadataOf({ filterMetadata: Object.fromEntries(info.dynamicMetadata ?? []) }),
  filter_state: ({ info }) => new Map(info.filterState ?? []),
};

/** Variables for an expression: the object's properties are read as the expression names them. */
export function attributesOf(context: FormatContext): Record<string, unknown> {
  return Object.defineProperties(
    {},
    Object.fromEntries(
      Object.entries(groups).map(([name, read]) => [name, { enumerable: true, get: () => read(context) }]),
    ),
  );
}

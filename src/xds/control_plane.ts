/** Control path, step 3: what the transports of xDS are lent: where the clusters of control planes are, and how to reach them. */
import type { ConnectionOptions } from 'node:tls';
import type { Address } from '../common/stream_info.ts';

/** How a silent connection is found dead: PING frames of HTTP/2; milliseconds, the jitter in percent of the interval. */
export interface PlaneKeepalive {
  readonly interval: number;
  readonly timeout: number;
  readonly jitter: number;
}

/** One host of a control plane's cluster. */
export interface ControlPlaneHost {
  readonly address: Address;
  /** Undefined: plain text. */
  readonly tls: ConnectionOptions | undefined;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Undefined: no pings. */
  readonly keepalive?: PlaneKeepalive | undefined;
  /** Milliseconds of silence after which TCP asks; undefined: never. */
  readonly tcpKeepalive?: number | undefined;
  /** Slots of `cluster.<name>.`, for what Envoy counts of its connections. */
  readonly stats: Float64Array;
}

export interface ControlPlanes {
  /** The host to try next; undefined while the cluster has none. Hosts are taken in turn. */
  nextHost(cluster: string): ControlPlaneHost | undefined;
}

/** Linux' abstract names begin with NUL where configuration has `@`. */
export function unixPath(text: string): string {
  return text.startsWith('@') ? `\0${text.slice(1)}` : text;
}

/** Bootstraps and resources for a control plane that is reached by one of the transports of xDS. */
import { httpConnectionManager, type Json, loopback, route } from '../../test/support/bootstrap.ts';
import type { GoPlane } from './go_plane.ts';

export const transports = ['sotw', 'delta', 'grpc', 'delta-grpc', 'rest'] as const;
export type Transport = (typeof transports)[number];

/** Where a resource says its parts come from. */
export function source(transport: Transport, more: Json = {}): Json {
  if (transport === 'sotw' || transport === 'delta') return { ads: {}, resource_api_version: 'V3', ...more };
  const api: Json = { transport_api_version: 'V3' };
  if (transport === 'rest') {
    Object.assign(api, { api_type: 'REST', cluster_names: ['xds_rest'], refresh_delay: '0.1s', request_timeout: '1s' });
  } else {
    const type = transport === 'grpc' ? 'GRPC' : 'DELTA_GRPC';
    Object.assign(api, { api_type: type, grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] });
  }
  return { api_config_source: api, resource_api_version: 'V3', ...more };
}

/** CDS and LDS by the transport; `clusters` are static ones beside those of the control plane. */
export function bootstrapFor(
  transport: Transport,
  plane: Pick<GoPlane, 'grpc' | 'rest'>,
  more: Json = {},
  clusters: Json[] = [],
): Json {
  const service = {
    envoy_grpc: {
      cluster_name: 'xds',
      retry_policy: { retry_back_off: { base_interval: '0.5s', max_interval: '2s' } },
    },
  };
  const ads = {
    api_type: transport === 'delta' ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [service],
  };
  const aggregated = transport === 'sotw' || transport === 'delta';
  return {
    node: { id: 'xds-peers', cluster: 'test' },
    admin: { address: loopback() },
    dynamic_resources: {
      ...(aggregated ? { ads_config: ads } : {}),
      cds_config: source(transport, { initial_fetch_timeout: '5s' }),
      lds_config: source(transport, { initial_fetch_timeout: '5s' }),
    },
    static_resources: {
      clusters: [planeCluster('xds', plane.grpc, true), planeCluster('xds_rest', plane.rest, false), ...clusters],
    },
    ...more,
  };
}

function planeCluster(name: string, port: number, http2: boolean): Json {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    ...(http2 ? { http2_protocol_options: {} } : {}),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }] },
  };
}

export function edsCluster(transport: Transport, name: string, more: Json = {}): Json {
  return {
    name,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: source(transport) },
    ...more,
  };
}

export function assignment(name: string, ports: readonly number[]): Json {
  return {
    cluster_name: name,
    endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: loopback(port) } })) }],
  };
}

export function routes(name: string, clusterName: string): Json {
  return { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route('/', clusterName)] }] };
}

/** A listener whose routes are fetched, or given when `clusterName` is. */
export function listener(
  transport: Transport,
  name: string,
  port: number,
  clusterName?: string,
  more: Json = {},
): Json {
  const rds = { route_config_name: 'routes', config_source: source(transport) };
  const manager = httpConnectionManager(
    [route('/', clusterName ?? '')],
    clusterName === undefined ? { route_config: undefined, rds } : {},
  );
  const made = { name, address: loopback(port), filter_chains: [{ filters: [manager] }], ...more };
  return JSON.parse(JSON.stringify(made)) as Json;
}

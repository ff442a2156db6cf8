/** Small builders of v3 bootstraps, so that a test shows only the part of a configuration it is about. */

/** A message in its JSON form. */
export type Json = Record<string, unknown>;

const extensions = 'type.googleapis.com/envoy.extensions';

/** An address on 127.0.0.1; port 0 takes a free one. */
export function loopback(port = 0): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

/** A bootstrap with an admin listener on a free port. */
export function bootstrap(listeners: Json[], clusters: Json[], more: Json = {}): Json {
  return { admin: { address: loopback() }, static_resources: { listeners, clusters }, ...more };
}

/** A listener with one chain of one network filter. */
export function listener(name: string, filter: Json, more: Json = {}): Json {
  return { name, address: loopback(), filter_chains: [{ filters: [filter] }], ...more };
}

/** An HTTP listener; `routes` are those of its only virtual host, `manager` adds to the connection manager. */
export function httpListener(name: string, routes: Json[], manager: Json = {}, more: Json = {}): Json {
  return listener(name, httpConnectionManager(routes, manager), more);
}

export function httpConnectionManager(routes: Json[], manager: Json = {}): Json {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'ingress',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      http_filters: [router],
      ...manager,
    },
  };
}

export const router: Json = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` },
};

/** A TCP listener in front of one cluster. */
export function tcpListener(name: string, clusterName: string, more: Json = {}): Json {
  return listener(name, {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': `${extensions}.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: name,
      cluster: clusterName,
      ...more,
    },
  });
}

/** A route of everything below `prefix` to a cluster. */
export function route(prefix: string, cluster: string, action: Json = {}, more: Json = {}): Json {
  return { match: { prefix }, route: { cluster, ...action }, ...more };
}

/** A STATIC cluster of these ports of 127.0.0.1. */
export function cluster(name: string, ports: number[], more: Json = {}): Json {
  const hosts = ports.map((port) => ({ endpoint: { address: loopback(port) } }));
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: hosts }] },
    ...more,
  };
}

/** A file access logger; without `format` the default one. */
export function fileAccessLog(path: string, format?: string): Json {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${extensions}.access_loggers.file.v3.FileAccessLog`,
      path,
      ...(format === undefined ? {} : { log_format: { text_format_source: { inline_string: format } } }),
    },
  };
}

/** A control plane in a thread of its own that serves one large resource of a kind. */
import { parentPort } from 'node:worker_threads';
import { httpConnectionManager, type Json, loopback, route } from '../../test/support/bootstrap.ts';
import { ResourceServer, types } from '../../test/support/resource_server.ts';

/** How large: of each kind, and which version of it. */
export interface Large {
  readonly kind: 'routes' | 'endpoints' | 'listener';
  /** 0: small. */
  readonly size: number;
  /** What the last route or chain answers. */
  readonly answer: string;
  readonly port: number;
}

const ads = { ads: {}, resource_api_version: 'V3' };
const routesOfHost = 10;
const hostsOfAddress = 250;

function answering(prefix: string, body: string): Json {
  return { match: { prefix }, direct_response: { status: 200, body: { inline_string: body } } };
}

function routes({ size, answer }: Large): Json {
  const hosts = Array.from({ length: size / routesOfHost }, (_, i) => ({
    name: `host${i}`,
    domains: [`host${i}.test`],
    routes: Array.from({ length: routesOfHost }, (_, k) => ({
      ...route(`/service/${i}/${k}`, 'steady', { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 2 } }),
      request_headers_to_add: [{ header: { key: 'x-route', value: `${i}-${k}` } }],
    })),
  }));
  const all = { name: 'all', domains: ['*'], routes: [answering('/large', answer), route('/', 'steady')] };
  return { name: 'routes', virtual_hosts: [...hosts, all] };
}

function endpoints({ size, answer, port }: Large): Json {
  const host = (address: string, weight: number) => ({
    endpoint: { address: { socket_address: { address, port_value: port } } },
    load_balancing_weight: weight,
  });
  const many = Array.from({ length: size }, (_, i) => {
    return host(`127.1.${Math.floor(i / hostsOfAddress)}.${1 + (i % hostsOfAddress)}`, 1);
  });
  return { cluster_name: 'large', endpoints: [{ lb_endpoints: [...many, host('127.0.0.1', Number(answer))] }] };
}

function listener({ size, answer, port }: Large): Json {
  const chain = (name: string, body: string) => ({
    name,
    filter_chain_match: { server_names: [name] },
    filters: [httpConnectionManager([answering('/', body)], { stat_prefix: 'large' })],
  });
  const chains = Array.from({ length: size }, (_, i) => chain(`name${i}.test`, 'x'));
  const fallback = { filters: [httpConnectionManager([answering('/', answer)], { stat_prefix: 'large' })] };
  return { name: 'large', address: loopback(port), filter_chains: chains, default_filter_chain: fallback };
}

const server = new ResourceServer();
parentPort!.on('message', (large: Large) => {
  if (large.kind === 'routes') server.set(types.routes, [routes(large)]);
  else if (large.kind === 'endpoints') server.set(types.endpoints, [endpoints(large)]);
  else server.set(types.listener, [listener(large)]);
  parentPort!.postMessage({ set: performance.now() });
});
const cluster = { name: 'large', type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config: ads } };
server.set(types.cluster, [cluster]);
await server.start();
parentPort!.postMessage({ port: server.port });

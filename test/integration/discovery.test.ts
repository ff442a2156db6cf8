/** What a user of a control plane notices: listeners, clusters, routes and endpoints over ADS through real workers. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { httpListener, type Json, route } from '../support/bootstrap.ts';
import { startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

function edsCluster(name: string, more: Json = {}): Json {
  return {
    name,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    ...more,
  };
}

function assignment(name: string, ports: readonly number[]): Json {
  const lb_endpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
  }));
  return { cluster_name: name, endpoints: [{ lb_endpoints }] };
}

function rdsListener(name: string): Json {
  const rds = { route_config_name: 'routes', config_source: { ads: {}, resource_api_version: 'V3' } };
  return httpListener(name, [], { route_config: undefined, rds });
}

function routes(clusterName: string): Json {
  return {
    name: 'routes',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route('/', clusterName)] }],
  };
}

function clean(json: Json): Json {
  return JSON.parse(JSON.stringify(json)) as Json;
}

async function upstream(name: string): Promise<number> {
  const host = await startUpstream({ respond: (_request, socket) => respond(socket, { body: name }) });
  running.push(() => host.close());
  return host.port;
}

describe('ADS, state of the world', () => {
  test('serves what the control plane sends, and each change of it', async () => {
    const [blue, green] = [await upstream('blue'), await upstream('green')];
    const server = new ResourceServer();
    await server.start();
    server.set(types.cluster, [edsCluster('a'), edsCluster('b')]);
    server.set(types.endpoints, [assignment('a', [blue]), assignment('b', [green])]);
    server.set(types.listener, [clean(rdsListener('l'))]);
    server.set(types.routes, [routes('a')]);
    const proxy = await startProxy(adsBootstrap(server.port), { concurrency: 2 });
    running.push(
      () => server.stop(),
      () => proxy.stop(),
    );
    const port = proxy.port('l');
    const body = async () => (await request(port, '/')).body.toString();
    assert.equal(await body(), 'blue');
    server.set(types.routes, [routes('b')]);
    await waitFor('the other route', async () => (await body()) === 'green');
    server.set(types.endpoints, [assignment('a', [blue]), assignment('b', [blue])]);
    await waitFor('the other endpoint', async () => (await body()) === 'blue');
    server.set(types.cluster, [edsCluster('a')]);
    await waitFor('the cluster to go', async () => (await request(port, '/')).status === 503);
    server.set(types.routes, [routes('a')]);
    await waitFor('the route back', async () => (await body()) === 'blue');
    assert.equal(await proxy.stat('cluster_manager.cluster_removed'), 1);
    assert.deepEqual(server.refused, []);
    const dump = JSON.parse((await proxy.admin('/config_dump')).text) as { configs: Json[] };
    const clusters = dump.configs.find(({ dynamic_active_clusters }) => dynamic_active_clusters !== undefined);
    assert.ok(clusters !== undefined);
    assert.equal((clusters['dynamic_active_clusters'] as Json[]).length, 1);
  });
});

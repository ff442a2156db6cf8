import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { VIRTUAL_CLUSTER } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { StreamInfo } from '../common/stream_info.ts';
import { compileRouteConfiguration } from './route_table.ts';

const config = {
  virtualHosts: [
    {
      name: 'v',
      domains: ['*'],
      virtualClusters: [
        { name: 'posts', headers: [{ name: ':method', stringMatch: { exact: 'POST' } }] },
        { name: 'all_posts', headers: [{ name: ':method', stringMatch: { prefix: 'P' } }] },
      ],
      routes: [
        { match: { prefix: '/own' }, statPrefix: 'own', route: { cluster: 'a' } },
        { match: { prefix: '/' }, route: { cluster: 'a' } },
      ],
    },
  ],
};

test('a request counts under its first virtual cluster, or under the others, and under its route', () => {
  const store = new ThreadStats(() => {});
  const message = fromJson(messageType('envoy.config.route.v3.RouteConfiguration'), config as never, { registry });
  const table = compileRouteConfiguration(
    message as unknown as envoy.config.route.v3.RouteConfiguration,
    undefined,
    store,
  );
  const request = (method: string, path: string): string => {
    const head: RequestHead = {
      method,
      path,
      authority: 'h',
      scheme: 'http',
      protocol: 'HTTP/1.1',
      headers: new HeaderMap(),
    };
    const info = new StreamInfo(undefined, 0, 0);
    for (const stats of table.route(head, 0)!.requestStats(head, info)) stats.inc('upstream_rq_total');
    return info.virtualClusterName;
  };
  assert.deepEqual([request('POST', '/'), request('PUT', '/own'), request('GET', '/own')], ['posts', 'all_posts', '']);
  const total = (prefix: string) => store.block(VIRTUAL_CLUSTER, prefix)[VIRTUAL_CLUSTER.slot.upstream_rq_total];
  assert.deepEqual(
    ['vcluster.posts', 'vcluster.all_posts', 'vcluster.other', 'route.own'].map((scope) => total(`vhost.v.${scope}.`)),
    [1, 1, 1, 2],
  );
});

/** v1's TCP proxy, its routes by addresses and ports → v3 (control path, step 1). */
import type { MapNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { type Fields, itemsOf, type Place } from '../edit.ts';
import { convertAccessLogs } from './access_log.ts';
import { Section } from './section.ts';

const criteria = ['destination_ip_list', 'destination_ports', 'source_ip_list', 'source_ports'];

export function convertTcpProxy(section: Section): MapNode {
  const { context } = section;
  section.fields('stat_prefix', 'max_connect_attempts');
  section.field('access_log', 'access_log', (_value, entry) => convertAccessLogs(entry, context));
  const config = section.section('route_config', 'a v1 route_config of tcp_proxy');
  const routes = config?.take('routes');
  config?.done();
  takeCluster(section.out, itemsOf(routes?.value), context, routes ?? section.node);
  return section.done();
}

/** `deprecated_v1.routes` of v2. */
export function upgradeTcpProxyRoutes(fields: Fields, old: Fields, context: UpgradeContext): void {
  const routes = old.get('routes');
  if (routes !== undefined) takeCluster(fields, itemsOf(routes.value), context, routes);
}

/** v3 matches connections by filter chains before there is a proxy: only one route for everything can be kept. */
function takeCluster(fields: Fields, routes: ReturnType<typeof itemsOf>, context: UpgradeContext, at: Place): void {
  for (const route of routes) {
    if (route.kind !== 'map') continue;
    const section = new Section(route, 'a v1 route of tcp_proxy', context);
    const cluster = section.take('cluster');
    for (const name of criteria) {
      const entry = section.take(name);
      if (entry === undefined) continue;
      context.error(
        entry,
        `'${entry.key}' of a tcp_proxy route is not supported yet`,
        "match the connection with the 'filter_chain_match' of a v3 listener",
      );
    }
    section.done();
    if (cluster === undefined) context.error(route, "a route of tcp_proxy needs a 'cluster'");
    else if (fields.get('cluster') === undefined) {
      context.changes.comment(fields.put('cluster', cluster.value, cluster), 'the route of v1');
    } else if (route !== routes[0]) context.error(cluster, 'the route before this one takes every connection');
  }
  if (routes.length === 0) context.error(at, 'a tcp_proxy needs a route');
}

/** v1's configurations of network and HTTP filters → v3, by the filter's name of today (control path, step 1). */
import type { MapNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { list, map, textOf } from '../edit.ts';
import type { Category } from '../extension_names.ts';
import { pathHeader, percentage } from '../v2_to_v3/filters.ts';
import { convertHttpManager } from './http_manager.ts';
import { convertHeaderMatches } from './routes.ts';
import { milliseconds, Section } from './section.ts';
import { convertTcpProxy } from './tcp_proxy.ts';

type Convert = (section: Section) => MapNode;

const network: Readonly<Record<string, Convert>> = {
  http_connection_manager: convertHttpManager,
  tcp_proxy: convertTcpProxy,
  echo: (section) => section.done(),
  redis_proxy: (section) => {
    section.fields('stat_prefix');
    section.field('cluster_name', 'prefix_routes', (cluster) =>
      map({ catch_all_route: map({ cluster }, cluster) }, cluster),
    );
    const pool = section.section('conn_pool', 'v1 conn_pool');
    if (pool !== undefined) {
      pool.ms('op_timeout_ms');
      section.out.put('settings', pool.done(), pool.node);
    }
    return section.done();
  },
  mongo_proxy: (section) => {
    section.fields('stat_prefix', 'access_log');
    const fault = section.section('fault', 'a v1 fault');
    const delay = fault?.section('fixed_delay', 'a v1 delay');
    fault?.done();
    if (delay !== undefined) section.out.put('delay', delayOf(delay), delay.node);
    return section.done();
  },
  ratelimit: (section) => {
    section.fields('stat_prefix', 'domain', 'descriptors');
    section.ms('timeout_ms');
    addRateLimitService(section);
    return section.done();
  },
  client_ssl_auth: (section) => {
    section.fields('auth_api_cluster', 'stat_prefix');
    section.ms('refresh_delay_ms');
    section.field('ip_white_list', 'ip_white_list');
    return section.done();
  },
};

const http: Readonly<Record<string, Convert>> = {
  router: (section) => {
    section.fields('dynamic_stats', 'start_child_span');
    return section.done();
  },
  buffer: (section) => {
    section.fields('max_request_bytes');
    section.drop(
      'max_request_time_s',
      "a request that takes too long ends by the connection manager's request_timeout",
    );
    return section.done();
  },
  cors: (section) => section.done(),
  fault: (section) => {
    const abort = section.section('abort', 'a v1 abort');
    if (abort !== undefined) {
      abort.field('abort_percent', 'percentage', (value) => percentage(value, value));
      abort.fields('http_status');
      section.out.put('abort', abort.done(), abort.node);
    }
    const delay = section.section('delay', 'a v1 delay');
    if (delay !== undefined) section.out.put('delay', delayOf(delay), delay.node);
    section.fields('upstream_cluster', 'downstream_nodes');
    section.field('headers', 'headers', (_value, entry) => convertHeaderMatches(entry, section.context));
    return section.done();
  },
  health_check: (section) => {
    section.fields('pass_through_mode');
    section.ms('cache_time_ms');
    section.field('endpoint', 'headers', (value) => pathHeader(value, value));
    section.field('cluster_min_healthy_percentages');
    return section.done();
  },
  ratelimit: (section) => {
    section.fields('domain', 'stage', 'request_type');
    section.ms('timeout_ms');
    addRateLimitService(section);
    return section.done();
  },
  lua: (section) => {
    section.fields('inline_code');
    return section.done();
  },
  gzip: (section) => {
    section.fields(
      'memory_level',
      'content_length',
      'window_bits',
      'disable_on_etag_header',
      'remove_accept_encoding_header',
    );
    for (const name of ['compression_level', 'compression_strategy']) {
      section.field(name, name, (value) => (textOf(value) ?? '').toUpperCase());
    }
    section.field('content_type', 'content_type');
    return section.done();
  },
  ip_tagging: (section) => {
    section.field('request_type', 'request_type', (value) => (textOf(value) ?? '').toUpperCase());
    section.fields('ip_tags');
    return section.done();
  },
  dynamo: (section) => section.done(),
  grpc_http1_bridge: (section) => section.done(),
  grpc_web: (section) => section.done(),
  grpc_json_transcoder: (section) => {
    section.fields('proto_descriptor', 'print_options');
    section.field('services', 'services', (value) => (value.kind === 'list' ? value : list([value], value)));
    return section.done();
  },
};

/** The fields of its v3 configuration. One without a v1 form is taken as v3 has it. */
export function convertV1Filter(category: Category, name: string, node: MapNode, context: UpgradeContext): MapNode {
  const short = name.slice(name.lastIndexOf('.') + 1);
  const convert = category === 'network' ? network[short] : category === 'http' ? http[short] : undefined;
  return convert === undefined ? node : convert(new Section(node, `a v1 configuration of ${name}`, context));
}

function delayOf(section: Section): MapNode {
  section.drop('type', 'the only kind of delay there was needs no name');
  section.field('fixed_delay_percent', 'percentage', (value) => percentage(value, value));
  section.field('percent', 'percentage', (value) => percentage(value, value));
  section.field('fixed_duration_ms', 'fixed_delay', (value) => milliseconds(value, section.context));
  section.field('duration_ms', 'fixed_delay', (value) => milliseconds(value, section.context));
  return section.done();
}

/** The one service of the file; without it v1 let everything pass. */
function addRateLimitService({ out, node, context }: Section): void {
  const { rateLimitService: service } = context;
  if (service !== undefined)
    context.changes.comment(out.put('rate_limit_service', service, node), "v1's 'rate_limit_service'");
}

/** v1's clusters → v3 (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, itemsOf, list, map, scalar, textOf } from '../edit.ts';
import { assignmentOf } from '../v2_to_v3/clusters.ts';
import { addressOf, ipPortOf } from './addresses.ts';
import { healthCheckOf } from './health_check.ts';
import { milliseconds, type Section, sectionOf } from './section.ts';
import { tlsSocketOf } from './tls.ts';

const types: Readonly<Record<string, string>> = {
  static: 'STATIC',
  strict_dns: 'STRICT_DNS',
  logical_dns: 'LOGICAL_DNS',
  original_dst: 'ORIGINAL_DST',
  sds: 'EDS',
};

const policies: Readonly<Record<string, string>> = {
  round_robin: 'ROUND_ROBIN',
  least_request: 'LEAST_REQUEST',
  weighted_least_request: 'LEAST_REQUEST',
  random: 'RANDOM',
  ring_hash: 'RING_HASH',
  original_dst_lb: 'CLUSTER_PROVIDED',
  maglev: 'MAGLEV',
};

/** Undefined (and reported) when it is no map. */
export function convertCluster(node: SourceNode, context: UpgradeContext): MapNode | undefined {
  const section = sectionOf(node, 'a v1 cluster', context);
  if (section === undefined) return undefined;
  const name = section.take('name');
  if (name !== undefined) section.put('name', name.value, name);
  const type = section.take('type');
  const kind = textOf(type?.value) ?? '';
  if (type !== undefined) section.put('type', chosen(type, types, context), type);
  const policy = section.take('lb_type');
  if (policy !== undefined) section.put('lb_policy', chosen(policy, policies, context), policy);
  section.ms('connect_timeout_ms');
  section.fields('per_connection_buffer_limit_bytes', 'alt_stat_name');
  section.ms('cleanup_interval_ms');
  convertHosts(section, name?.value, kind);
  convertService(section, type, kind);
  convertDns(section, kind);
  convertProtocol(section);
  convertLimits(section);
  const ssl = section.take('ssl_context');
  const socket = ssl && tlsSocketOf(ssl, 'Upstream', context);
  if (socket !== undefined) section.put('transport_socket', socket, ssl!);
  const check = section.take('health_check');
  const checked = check && sectionOf(check.value, 'a v1 health check', context);
  if (checked !== undefined) section.put('health_checks', list([healthCheckOf(checked)], check!), check!);
  convertOutliers(section);
  convertRing(section);
  return section.done();
}

function chosen(entry: MapEntry, values: Readonly<Record<string, string>>, context: UpgradeContext): SourceNode {
  const text = textOf(entry.value) ?? '';
  if (Object.hasOwn(values, text)) return scalar(values[text], entry.value);
  context.error(entry.value, `unknown ${entry.key} '${text}'`, `expected one of ${Object.keys(values).join(', ')}`);
  return entry.value;
}

function convertHosts(section: Section, name: SourceNode | undefined, kind: string): void {
  const hosts = section.take('hosts');
  if (hosts === undefined) return;
  let items = itemsOf(hosts.value);
  if (kind === 'logical_dns' && items.length > 1) {
    section.context.changes.general(hosts, 'only the first host of a logical_dns cluster is used, as in v1');
    items = items.slice(0, 1);
  }
  const addresses = items.flatMap((host) => {
    const inner = sectionOf(host, 'a v1 host', section.context);
    const url = inner?.take('url');
    inner?.done();
    return (url && addressOf(url.value, section.context)) ?? [];
  });
  section.put('load_assignment', assignmentOf(name, addresses, hosts), hosts);
}

/** The hosts of an sds cluster come from the one registration service there is. */
function convertService(section: Section, type: MapEntry | undefined, kind: string): void {
  const { context } = section;
  const service = section.take('service_name');
  if (kind !== 'sds' || type === undefined) return;
  if (context.endpointSource === undefined) {
    context.error(
      type.value,
      "a cluster of type sds needs 'sds' in the cluster_manager: it says where hosts are registered",
    );
    return;
  }
  const config = map({ eds_config: context.endpointSource, service_name: service?.value }, service ?? type);
  const made = section.out.put('eds_cluster_config', config, service ?? type);
  context.changes.comment(made, "v1 'service_name', and 'sds' of the cluster_manager");
}

function convertDns(section: Section, kind: string): void {
  section.ms('dns_refresh_rate_ms');
  const family = section.take('dns_lookup_family');
  if (family !== undefined) section.put('dns_lookup_family', (textOf(family.value) ?? '').toUpperCase(), family);
  // What v1 did when nothing was said; v3 asks for both families then.
  else if (kind.endsWith('_dns')) {
    const made = section.out.put('dns_lookup_family', 'V4_ONLY', section.node);
    section.context.changes.comment(made, 'the default of v1');
  }
  section.field('dns_resolvers', 'dns_resolvers', (value) =>
    list(
      itemsOf(value).flatMap((each) => ipPortOf(each, section.context) ?? []),
      value,
    ),
  );
}

/** `features: "http2"`, with its settings. */
function convertProtocol(section: Section): void {
  const { context } = section;
  const features = section.take('features');
  const settings = takeHttp2Settings(section);
  const most = section.take('max_requests_per_connection');
  const options = new Fields(map({}, features ?? most ?? section.node));
  options.put(
    '@type',
    'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    features ?? most ?? section.node,
  );
  if (most !== undefined) {
    options.put('common_http_protocol_options', map({ max_requests_per_connection: most.value }, most), most);
  }
  const wanted = (textOf(features?.value) ?? '').split(',').map((each) => each.trim());
  const unknown = wanted.filter((each) => each !== '' && each !== 'http2');
  if (unknown.length > 0) context.error(features!.value, `unknown feature '${unknown[0]}'`, 'expected http2');
  if (wanted.includes('http2')) {
    const http2 = settings === undefined ? map({}, features!) : settings.options;
    options.put('explicit_http_config', map({ http2_protocol_options: http2 }, features!), features!);
  } else if (most !== undefined) {
    options.put('explicit_http_config', map({ http_protocol_options: map({}, most) }, most), most);
  }
  if (!wanted.includes('http2') && most === undefined) return;
  const from = features ?? most!;
  const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  section.put('typed_extension_protocol_options', map({ [key]: options.done() }, from), from);
}

/** `http2_settings`, or the one option there was before them: `http_codec_options: no_compression`. */
export function takeHttp2Settings(
  section: Section,
): { readonly options: MapNode; readonly from: MapEntry } | undefined {
  const { context } = section;
  const from = section.take('http2_settings');
  const older = section.take('http_codec_options');
  if (from !== undefined) return { options: http2Settings(from, context), from };
  const option = textOf(older?.value) ?? '';
  if (older === undefined || option === '') return undefined;
  if (option !== 'no_compression') {
    context.error(older.value, `unknown http codec option '${option}'`, 'expected no_compression');
  }
  return { options: map({ hpack_table_size: scalar(0, older.value) }, older), from: older };
}

function http2Settings(entry: MapEntry, context: UpgradeContext): MapNode {
  const section = sectionOf(entry.value, 'v1 http2_settings', context);
  if (section === undefined) return map({}, entry);
  section.fields(
    'hpack_table_size',
    'max_concurrent_streams',
    'initial_stream_window_size',
    'initial_connection_window_size',
  );
  return section.done();
}

function convertLimits(section: Section): void {
  const breakers = section.take('circuit_breakers');
  const levels = breakers && sectionOf(breakers.value, 'v1 circuit_breakers', section.context);
  if (breakers === undefined || levels === undefined) return;
  const thresholds = ['default', 'high'].flatMap((level) => {
    const inner = levels.section(level, `v1 circuit_breakers`);
    if (inner === undefined) return [];
    inner.out.put('priority', level.toUpperCase(), inner.node);
    inner.fields('max_connections', 'max_pending_requests', 'max_requests', 'max_retries');
    return [inner.done()];
  });
  levels.done();
  section.put('circuit_breakers', map({ thresholds: list(thresholds, breakers) }, breakers), breakers);
}

const outlierNumbers = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'max_ejection_percent',
  'enforcing_consecutive_5xx',
  'enforcing_consecutive_gateway_failure',
  'enforcing_success_rate',
  'success_rate_minimum_hosts',
  'success_rate_request_volume',
  'success_rate_stdev_factor',
];

function convertOutliers(section: Section): void {
  const entry = section.take('outlier_detection');
  const inner = entry && sectionOf(entry.value, 'v1 outlier_detection', section.context);
  if (entry === undefined || inner === undefined) return;
  inner.fields(...outlierNumbers);
  inner.ms('interval_ms');
  inner.ms('base_ejection_time_ms');
  section.put('outlier_detection', inner.done(), entry);
}

function convertRing(section: Section): void {
  const entry = section.take('ring_hash_lb_config');
  const inner = entry && sectionOf(entry.value, 'v1 ring_hash_lb_config', section.context);
  if (entry === undefined || inner === undefined) return;
  inner.fields('minimum_ring_size');
  inner.drop('use_std_hash', 'std::hash is not reproduced, xxHash is used');
  section.put('ring_hash_lb_config', inner.done(), entry);
}

/** Where v1's REST services are asked: a v3 source of the transport that speaks to them. */
export function restSource(cluster: SourceNode, delay: MapEntry | undefined, context: UpgradeContext): MapNode {
  const api = map(
    {
      // Its name since v1's REST services went.
      api_type: 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE',
      cluster_names: list([cluster], cluster),
      refresh_delay: delay && milliseconds(delay.value, context),
    },
    cluster,
  );
  // v1 went on without an answer when its first request had failed, after a second at most.
  return map({ api_config_source: api, initial_fetch_timeout: '1s' }, cluster);
}

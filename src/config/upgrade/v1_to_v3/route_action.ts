/** What v1's routes do with a request → v3 (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, isTrue, list, map, scalar, textOf } from '../edit.ts';
import { upgradeCors } from '../v2_to_v3/routes.ts';
import { convertHeaderMatches } from './routes.ts';
import { milliseconds, Section, sectionsOf } from './section.ts';

/** `route` of v3, out of the fields that v1 had beside the match. */
export function convertAction(section: Section): void {
  const { context } = section;
  const action = new Fields(map({}, section.node));
  const put = (from: MapEntry, name: string, value: SourceNode | string | undefined) => {
    if (value === undefined) return;
    const made = action.put(name, value, from);
    if (from.key !== name) context.changes.comment(made, `v1 '${from.key}'`);
  };
  const move = (
    name: string,
    to = name,
    form: (value: SourceNode, from: MapEntry) => SourceNode | string | undefined = (value) => value,
  ) => {
    const entry = section.take(name);
    if (entry !== undefined) put(entry, to, form(entry.value, entry));
  };
  move('cluster');
  move('cluster_header');
  move('weighted_clusters', 'weighted_clusters', (_value, entry) => weightedClusters(entry, context));
  const targeted = action.entries().length > 0;
  move('timeout_ms', 'timeout', (value) => milliseconds(value, context));
  move('prefix_rewrite');
  move('host_rewrite', 'host_rewrite_literal');
  move('auto_host_rewrite');
  move('use_websocket', 'upgrade_configs', (value) =>
    isTrue(value) ? list([map({ upgrade_type: 'websocket' }, value)], value) : undefined,
  );
  move('retry_policy', 'retry_policy', (value) => retryPolicy(value, context));
  move('shadow', 'request_mirror_policies', (value) => mirror(value, context));
  move('priority', 'priority', (value) => (textOf(value) ?? '').toUpperCase());
  move('rate_limits', 'rate_limits', (_value, entry) => convertRateLimits(entry, context));
  move('include_vh_rate_limits');
  move('hash_policy', 'hash_policy', (value) => hashPolicy(value, context));
  if (targeted || section.out.get('redirect') === undefined) section.out.put('route', action.done(), section.node);
}

function weightedClusters(entry: MapEntry, context: UpgradeContext): SourceNode | undefined {
  const section = sectionsOf(entry.value, 'v1 weighted_clusters', context)[0];
  if (section === undefined) return undefined;
  section.fields('runtime_key_prefix');
  const clusters = section.take('clusters');
  const parts = sectionsOf(clusters?.value, 'a v1 weighted cluster', context).map((part) => {
    part.fields('name', 'weight');
    return part.done();
  });
  const total = parts.reduce((sum, part) => sum + Number(new Fields(part).text('weight') ?? 0), 0);
  if (clusters !== undefined && total !== 100) {
    context.error(clusters, `the weights of weighted_clusters add up to ${total}: in v1 it must be 100`);
  }
  if (clusters !== undefined) section.put('clusters', list(parts, clusters), clusters);
  return section.done();
}

function retryPolicy(value: SourceNode, context: UpgradeContext): SourceNode | undefined {
  const section = sectionsOf(value, 'a v1 retry_policy', context)[0];
  section?.fields('retry_on', 'num_retries');
  section?.ms('per_try_timeout_ms');
  return section?.done();
}

/** Without a key every request is mirrored; with one as many of 10,000 as its value says, none when it is not set. */
function mirror(value: SourceNode, context: UpgradeContext): SourceNode | undefined {
  const section = sectionsOf(value, 'a v1 shadow', context)[0];
  if (section === undefined) return undefined;
  section.fields('cluster');
  section.field('runtime_key', 'runtime_fraction', (key) => {
    const none = map({ numerator: 0, denominator: 'TEN_THOUSAND' }, key);
    return map({ default_value: none, runtime_key: key }, key);
  });
  return list([section.done()], value);
}

function hashPolicy(value: SourceNode, context: UpgradeContext): SourceNode | undefined {
  const section = sectionsOf(value, 'a v1 hash_policy', context)[0];
  section?.field('header_name', 'header', (name) => map({ header_name: name }, name));
  const made = section?.done();
  return made && list([made], value);
}

/** `[{stage, disable_key, actions: [{type, …}]}]` */
export function convertRateLimits(entry: MapEntry, context: UpgradeContext): SourceNode {
  const limits = sectionsOf(entry.value, 'a v1 rate limit', context).map((section) => {
    section.fields('stage', 'disable_key');
    section.field('actions', 'actions', (value) =>
      list(sectionsOf(value, 'a v1 rate limit action', context).map(rateLimitAction), value),
    );
    return section.done();
  });
  return list(limits, entry);
}

const actionFields: Readonly<Record<string, readonly string[]>> = {
  source_cluster: [],
  destination_cluster: [],
  remote_address: [],
  request_headers: ['header_name', 'descriptor_key'],
  generic_key: ['descriptor_value'],
};

/** The kind is a field of its own now, with what belongs to it inside. */
function rateLimitAction(section: Section): MapNode {
  const { context, node } = section;
  const type = section.take('type');
  const kind = textOf(type?.value) ?? '';
  const inner = new Section({ ...node, entries: [] }, 'a v1 rate limit action', context);
  if (kind === 'header_value_match') {
    for (const name of ['descriptor_value', 'expect_match']) copy(section, inner, name);
    const headers = section.take('headers');
    if (headers !== undefined) inner.out.put('headers', convertHeaderMatches(headers, context), headers);
  } else if (Object.hasOwn(actionFields, kind)) {
    for (const name of actionFields[kind]) copy(section, inner, name);
  } else {
    context.error(
      type ?? node,
      `unknown rate limit action '${kind}'`,
      `expected one of ${Object.keys(actionFields).join(', ')}, header_value_match`,
    );
    return section.done();
  }
  section.out.put(kind, inner.done(), type!);
  return section.done();
}

function copy(from: Section, to: Section, name: string): void {
  const entry = from.take(name);
  if (entry !== undefined) to.out.put(name, entry.value, entry);
}

/** A policy of a virtual host or a route, now a configuration of the filter. */
export function convertCors(section: Section): void {
  const entry = section.take('cors');
  const inner = entry && sectionsOf(entry.value, 'a v1 cors policy', section.context)[0];
  if (entry === undefined || inner === undefined) return;
  inner.out.put('@type', 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy', entry);
  inner.fields('allow_origin', 'allow_methods', 'allow_headers', 'expose_headers', 'allow_credentials', 'enabled');
  inner.field('max_age', 'max_age', (value) => (value.kind === 'scalar' ? scalar(String(value.value), value) : value));
  const policy = new Fields(inner.done());
  upgradeCors(policy, section.context);
  section.put('typed_per_filter_config', map({ 'envoy.filters.http.cors': policy.done() }, entry), entry);
}

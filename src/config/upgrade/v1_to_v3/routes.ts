/** v1's route tables → v3 (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, isTrue, itemsOf, list, map, scalar, textOf } from '../edit.ts';
import { virtualClusterHeaders } from '../v2_to_v3/routes.ts';
import { convertAction, convertCors, convertRateLimits } from './route_action.ts';
import { type Section, sectionsOf } from './section.ts';

export function convertRouteConfig(section: Section): MapNode {
  section.field('virtual_hosts', 'virtual_hosts', (value) =>
    list(sectionsOf(value, 'a v1 virtual host', section.context).map(convertVirtualHost), value),
  );
  section.fields('internal_only_headers', 'response_headers_to_remove', 'validate_clusters');
  convertHeaders(section, 'response_headers_to_add');
  convertHeaders(section, 'request_headers_to_add');
  return section.done();
}

const tlsNeeds: Readonly<Record<string, string>> = { none: 'NONE', external_only: 'EXTERNAL_ONLY', all: 'ALL' };

function convertVirtualHost(section: Section): MapNode {
  const { context } = section;
  section.fields('name', 'domains');
  section.field('require_ssl', 'require_tls', (value) => {
    const need = tlsNeeds[textOf(value) ?? ''];
    if (need === undefined)
      context.error(value, `unknown require_ssl '${textOf(value)}'`, 'expected external_only or all');
    return need;
  });
  section.field('routes', 'routes', (value) => list(sectionsOf(value, 'a v1 route', context).map(convertRoute), value));
  section.field('virtual_clusters', 'virtual_clusters', (value) =>
    list(sectionsOf(value, 'a v1 virtual cluster', context).map(convertVirtualCluster), value),
  );
  section.field('rate_limits', 'rate_limits', (_value, entry) => convertRateLimits(entry, context));
  convertHeaders(section, 'request_headers_to_add');
  convertHeaders(section, 'response_headers_to_add');
  section.fields('response_headers_to_remove');
  convertCors(section);
  return section.done();
}

function convertVirtualCluster(section: Section): MapNode {
  const method = section.take('method');
  section.fields('name');
  section.field('pattern', 'headers', (value) => virtualClusterHeaders(value, method?.value, value));
  return section.done();
}

function convertRoute(section: Section): MapNode {
  section.out.put('match', convertMatch(section), section.node);
  convertRedirect(section);
  convertAction(section);
  convertHeaders(section, 'request_headers_to_add');
  convertHeaders(section, 'response_headers_to_add');
  section.fields('response_headers_to_remove');
  section.field('decorator');
  section.field('opaque_config', 'metadata', (value) =>
    map({ filter_metadata: map({ 'envoy.filters.http.router': value }, value) }, value),
  );
  convertCors(section);
  return section.done();
}

function convertMatch(section: Section): MapNode {
  const match = new Fields(map({}, section.node));
  const { changes } = section.context;
  for (const name of ['prefix', 'path', 'case_sensitive']) {
    const entry = section.take(name);
    if (entry !== undefined) match.put(name, entry.value, entry);
  }
  const regex = section.take('regex');
  if (regex !== undefined)
    changes.comment(match.put('safe_regex', map({ regex: regex.value }, regex), regex), "v1 'regex'");
  const runtime = section.section('runtime', 'a v1 runtime');
  if (runtime !== undefined) {
    const numerator = runtime.take('default')?.value ?? scalar(0, runtime.node);
    const key = runtime.take('key')?.value;
    runtime.done();
    const share = map({ numerator, denominator: 'HUNDRED' }, runtime.node);
    changes.comment(
      match.put('runtime_fraction', map({ default_value: share, runtime_key: key }, runtime.node), runtime.node),
      "v1 'runtime'",
    );
  }
  const headers = section.take('headers');
  if (headers !== undefined) match.put('headers', convertHeaderMatches(headers, section.context), headers);
  const query = section.take('query_parameters');
  if (query !== undefined) {
    match.put(
      'query_parameters',
      list(sectionsOf(query.value, 'a v1 query parameter', section.context).map(valueMatch), query),
      query,
    );
  }
  return match.done();
}

/** `[{name, value, regex, range_match}]`: without a value the header has to be there. */
export function convertHeaderMatches(entry: MapEntry, context: UpgradeContext): SourceNode {
  return list(sectionsOf(entry.value, 'a v1 header match', context).map(valueMatch), entry);
}

function valueMatch(section: Section): MapNode {
  section.fields('name', 'range_match');
  const value = section.take('value');
  const regex = section.take('regex');
  if (value !== undefined && textOf(value.value) !== '') {
    const match = isTrue(regex?.value)
      ? map({ safe_regex: map({ regex: value.value }, value) }, value)
      : map({ exact: value.value }, value);
    section.put('string_match', match, value);
  } else if (section.out.get('range_match') === undefined) section.out.put('present_match', true, section.node);
  return section.done();
}

/** `[{key, value}]`; v1 always appended. */
function convertHeaders(section: Section, name: string): void {
  section.field(name, name, (value, entry) =>
    list(
      itemsOf(value).map((header) => map({ header }, header)),
      entry,
    ),
  );
}

function convertRedirect(section: Section): void {
  const host = section.take('host_redirect');
  const path = section.take('path_redirect');
  const from = host ?? path;
  if (from === undefined) return;
  section.put('redirect', map({ host_redirect: host?.value, path_redirect: path?.value }, from), from);
}

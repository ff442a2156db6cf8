/** What descriptors and rules cannot say of how a listener's connections find their filter chains (control path, step 2). */
import { toJsonString } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry, typeNameOf } from '../api/registry.ts';
import { ipVersion } from '../common/address.ts';
import { ipBits } from '../common/cidr.ts';
import { compileMatcherTree } from '../common/matcher_tree/matcher_tree.ts';
import { networkInput } from '../common/matcher_tree/network_inputs.ts';
import type { Report } from './report.ts';

type Listener = envoy.config.listener.v3.Listener;
type FilterChainMatch = envoy.config.listener.v3.FilterChainMatch;
type CidrRange = envoy.config.core.v3.CidrRange;

/** A connection must find one chain, and one only. */
export function checkFilterChains(listener: Listener, report: Report): void {
  if (listener.filterChains.length === 0 && listener.defaultFilterChain === undefined) {
    report.errorIn(listener, 'filter_chains', 'no filter chains specified');
  }
  if (listener.filterChainMatcher !== undefined) {
    checkNames(listener, report);
    return;
  }
  checkSame(listener, report);
  checkOverlap(listener, report);
  listener.filterChains.forEach(({ filterChainMatch }, i) => {
    filterChainMatch?.serverNames.forEach((name, j) => {
      if (!name.includes('*') || /^\*\.[^*]*$/.test(name)) return;
      const path = `filter_chains[${i}].filter_chain_match.server_names[${j}]`;
      report.errorIn(listener, path, 'partial wildcards are not supported in "server_names"');
    });
  });
  checkInspected(listener, report);
}

/** A matcher names chains, and looks at nothing else of them. */
function checkNames(listener: Listener, report: Report): void {
  const names = new Set<string>();
  listener.filterChains.forEach(({ name, filterChainMatch }, i) => {
    const path = `filter_chains[${i}]`;
    if (name === '') {
      report.errorIn(listener, path, '"name" field is required when using a listener matcher');
    } else if (names.has(name)) {
      report.errorIn(listener, `${path}.name`, `"name" field is duplicated with value '${name}'`);
    }
    names.add(name);
    if (filterChainMatch === undefined) return;
    report.warnIn(listener, `${path}.filter_chain_match`, 'ignored: filter_chain_matcher chooses the chain');
  });
  // What is not supported in it has been told of.
  if (report.errors.length > 0) return;
  try {
    compileMatcherTree(listener.filterChainMatcher!, { input: networkInput, action: chainName });
  } catch (error) {
    report.errorIn(listener, 'filter_chain_matcher', (error as Error).message);
  }
}

function chainName(type: string, message: unknown): string {
  if (type !== 'google.protobuf.StringValue') throw new Error(`an action of type ${type} names no filter chain`);
  return (message as { value: string }).value;
}

function checkSame(listener: Listener, report: Report): void {
  const known = new Map<string, string>();
  listener.filterChains.forEach(({ filterChainMatch, name }, i) => {
    const json = matchJson(filterChainMatch);
    const same = known.get(json);
    if (same === undefined) known.set(json, name);
    else {
      const reason = `filter chain '${name}' has the same matching rules defined as '${same}'`;
      report.errorIn(
        listener,
        `filter_chains[${i}]`,
        json === '{}' ? reason : `${reason}. duplicate matcher is: ${json}`,
      );
    }
  });
}

function matchJson(match: FilterChainMatch | undefined): string {
  if (match === undefined) return '{}';
  return toJsonString(messageType(match.$typeName), match, { registry, useProtoFieldName: true });
}

/** Rules that say the same of some connection; those that are the same altogether were told of already. */
function checkOverlap(listener: Listener, report: Report): void {
  const known = new Map<string, number>();
  const told = new Set(listener.filterChains.map(({ filterChainMatch }) => matchJson(filterChainMatch)));
  if (told.size < listener.filterChains.length) return;
  listener.filterChains.forEach(({ filterChainMatch }, i) => {
    const overlap = keysOf(filterChainMatch).find((key) => known.has(key));
    for (const key of keysOf(filterChainMatch)) known.set(key, i);
    if (overlap === undefined) return;
    const reason = 'multiple filter chains with overlapping matching rules are defined';
    report.errorIn(listener, `filter_chains[${i}].filter_chain_match`, reason);
  });
}

/** Every combination of values, one of each criterion. */
function keysOf(match: FilterChainMatch | undefined): string[] {
  if (match === undefined) return [new Array(9).fill('').join('|')];
  const criteria = [
    [String(match.destinationPort ?? '')],
    match.prefixRanges.map(rangeKey),
    match.serverNames.map((name) => name.toLowerCase().replace(/^\*\./, '.')),
    [match.transportProtocol],
    match.applicationProtocols,
    match.directSourcePrefixRanges.map(rangeKey),
    [match.sourceType === 0 ? '' : String(match.sourceType)],
    match.sourcePrefixRanges.map(rangeKey),
    match.sourcePorts.map(String),
  ];
  return criteria
    .reduce<string[]>(
      (keys, values) => keys.flatMap((key) => (values.length === 0 ? [''] : values).map((value) => `${key}${value}|`)),
      [''],
    )
    .map((key) => key.slice(0, -1));
}

/** Equal for ranges that hold the same addresses. */
function rangeKey({ addressPrefix, prefixLen = 0 }: CidrRange): string {
  const version = ipVersion(addressPrefix);
  if (version === 0) return addressPrefix;
  const width = version === 4 ? 32 : 128;
  const length = Math.min(prefixLen, width);
  return `${version}/${ipBits(addressPrefix, version) >> BigInt(width - length)}/${length}`;
}

/** Server names and protocols are known only where a listener filter has looked; Envoy says nothing and matches nothing. */
function checkInspected(listener: Listener, report: Report): void {
  const has = (name: string) =>
    listener.listenerFilters.some(({ configType }) => {
      const { case: kind, value } = configType;
      return (
        kind === 'typedConfig' && typeNameOf(value.typeUrl).startsWith(`envoy.extensions.filters.listener.${name}.`)
      );
    });
  if (has('tls_inspector') || listener.address?.address.case === undefined) return;
  listener.filterChains.forEach(({ filterChainMatch: match }, i) => {
    if (match === undefined) return;
    const needed =
      match.serverNames.length > 0 ||
      match.transportProtocol === 'tls' ||
      (match.applicationProtocols.length > 0 && !has('http_inspector'));
    if (!needed) return;
    report.warnIn(
      listener,
      `filter_chains[${i}].filter_chain_match`,
      'no connection matches: nothing tells the server name and protocols of clients',
      'add the listener filter envoy.filters.listener.tls_inspector',
    );
  });
}

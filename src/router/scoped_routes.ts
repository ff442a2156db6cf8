/** Step 7 of the data path: which of several route tables a request belongs to: by a key of its headers (scoped_routes). */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { RouteTable } from './route_table.ts';

type ScopeKeyBuilder = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes_ScopeKeyBuilder;
type Extractor =
  envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor;
type Scope = envoy.config.route.v3.ScopedRouteConfiguration;

interface Holder {
  readonly table: RouteTable | undefined;
}

interface Fragment {
  readonly header: HeaderName;
  readonly extractor: Extractor;
}

const AUTHORITY = headerName(':authority');
const PATH = headerName(':path');

/** No header value holds it. */
const separator = '\0';

export class ScopedRouteTables {
  private readonly fragments: readonly Fragment[];
  private scopes: ReadonlyMap<string, Holder> = new Map();

  constructor(builder: ScopeKeyBuilder | undefined) {
    this.fragments = (builder?.fragments ?? []).flatMap(({ type }) =>
      type.case === 'headerValueExtractor' ? [{ header: headerName(type.value.name), extractor: type.value }] : [],
    );
  }

  /** All scopes from now on. */
  setScopes(list: readonly Scope[], holderOf: (scope: Scope) => Holder): void {
    this.scopes = new Map(list.map((scope) => [scopeKey(scope), holderOf(scope)]));
  }

  /** Undefined when the request has no such key, no scope has it, or its routes are not there: 404. */
  tableFor(head: RequestHead): RouteTable | undefined {
    let key = '';
    for (const { header, extractor } of this.fragments) {
      const value = header === AUTHORITY ? head.authority : header === PATH ? head.path : head.headers.get(header);
      const fragment = value === undefined ? undefined : extract(value, extractor);
      if (fragment === undefined) return undefined;
      key += fragment + separator;
    }
    return this.scopes.get(key)?.table;
  }
}

/** The key a scope is found under. */
function scopeKey({ key }: Scope): string {
  return (key?.fragments ?? []).map(({ type }) => (type.value ?? '') + separator).join('');
}

function extract(value: string, { elementSeparator, extractType }: Extractor): string | undefined {
  const elements = elementSeparator === '' ? [value] : value.split(elementSeparator);
  if (extractType.case === 'index') return elements[extractType.value];
  if (extractType.case !== 'element') return undefined;
  const { separator: between, key } = extractType.value;
  for (const element of elements) {
    const at = between === '' ? -1 : element.indexOf(between);
    if ((at < 0 ? element : element.slice(0, at)) === key) return at < 0 ? '' : element.slice(at + between.length);
  }
  return undefined;
}

/** Step 7 of the data path: the routes of one virtual host. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { X_ENVOY_INTERNAL, X_FORWARDED_PROTO } from '../../native-free/headers/well_known.ts';
import { VirtualHost_TlsRequirementType as TlsRequirement } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileReplyFormat } from '../common/formatter/reply_format.ts';
import type { Runtime } from '../common/runtime.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import { toWire } from '../common/wire_string.ts';
import type { StatsStore } from '../spi/stats.ts';
import { directResponseBody } from './direct_response_body.ts';
import { compileMutations, HeaderLevels, type Mutations } from './header_levels.ts';
import { compileMirrorPolicies, type MirrorPolicy } from './mirror_policy.ts';
import { PathIndex } from './path_index.ts';
import { queryStart } from './path_rewrite.ts';
import { PerFilterConfigs } from './per_filter_config.ts';
import { RouteRedirect, tlsRedirect } from './redirect.ts';
import { RetryPolicy } from './retry_policy.ts';
import { Route, type RouteParts } from './route.ts';
import { compileRouteAction, noAction, requestBufferLimit } from './route_action.ts';
import { RouteMatch } from './route_match.ts';
import { type RouteTarget, WeightedRoutes } from './route_target.ts';
import { compileRouteStats, compileVirtualClusters, type VirtualClusters } from './virtual_cluster.ts';

type RouteMessage = envoy.config.route.v3.Route;

/** What a route tells of its virtual host. */
export interface VirtualHostSettings {
  readonly name: string;
  readonly includeRequestAttemptCount: boolean;
  readonly includeResponseAttemptCount: boolean;
  /** Retries tell by `x-envoy-is-timeout-retry` whether a timeout led to them. */
  readonly includeIsTimeoutRetry: boolean;
  readonly virtualClusters: VirtualClusters | undefined;
  readonly metadata: envoy.config.core.v3.Metadata | undefined;
}

/** What all virtual hosts of a route configuration share. */
export interface TableSettings {
  readonly mutations: Mutations;
  readonly mostSpecificWins: boolean;
  readonly filterConfigs: PerFilterConfigs;
  readonly maxDirectResponseBodyBytes: number;
  /** The path ends at a `;` for matching. */
  readonly ignorePathParameters: boolean;
  readonly mirrorPolicies: readonly MirrorPolicy[];
  readonly runtime: Runtime;
  readonly stats: StatsStore | undefined;
}

export class VirtualHost {
  readonly settings: VirtualHostSettings;
  readonly domains: readonly string[];
  /** It, or a route of it, has a word on filters. */
  switchesFilters: boolean;
  private readonly table: TableSettings;
  private readonly mutations: Mutations;
  private readonly filterConfigs: PerFilterConfigs;
  private readonly retryPolicy: RetryPolicy | undefined;
  private readonly hedgePolicy: envoy.config.route.v3.HedgePolicy | undefined;
  private readonly mirrorPolicies: readonly MirrorPolicy[];
  private readonly requestBufferLimit: number | undefined;
  private readonly requireTls: number;
  private readonly tlsRoute: Route;
  private readonly index = new PathIndex();
  private routes = 0;

  /** Routes may be added later. */
  constructor(message: envoy.config.route.v3.VirtualHost, table: TableSettings) {
    this.domains = message.domains;
    this.switchesFilters = hasFilterConfig(message);
    this.settings = {
      name: message.name,
      includeRequestAttemptCount: message.includeRequestAttemptCount,
      includeResponseAttemptCount: message.includeAttemptCountInResponse,
      includeIsTimeoutRetry: message.includeIsTimeoutRetryHeader,
      virtualClusters: compileVirtualClusters(message, table.stats),
      metadata: message.metadata,
    };
    this.table = table;
    this.mutations = compileMutations(message);
    this.filterConfigs = PerFilterConfigs.over(table.filterConfigs, message.typedPerFilterConfig);
    this.retryPolicy = message.retryPolicy === undefined ? undefined : new RetryPolicy(message.retryPolicy);
    this.hedgePolicy = message.hedgePolicy;
    this.mirrorPolicies = compileMirrorPolicies(message.requestMirrorPolicies, table.runtime, table.mirrorPolicies);
    this.requestBufferLimit = requestBufferLimit(message);
    this.requireTls = message.requireTls;
    this.tlsRoute = this.makeTlsRoute();
    for (const route of message.routes) this.addRoute(route);
  }

  /** Behind those there are. */
  addRoute(message: RouteMessage): void {
    if (message.match === undefined) throw new Error('a route needs a match');
    this.switchesFilters ||= routeSwitchesFilters(message);
    const match = new RouteMatch(message.match, this.table.runtime);
    this.index.add({ index: this.routes++, match, target: this.target(message, match) });
  }

  /** `random` is a non-negative integer, the same for the stream whenever its route is asked for. */
  route(head: RequestHead, random: number, info: StreamInfo | undefined): Route | undefined {
    // As in Envoy, which asks here how the client came before it looks at any route.
    if (head.headers.get(X_FORWARDED_PROTO) === '') return undefined;
    if (this.requireTls !== TlsRequirement.NONE && this.wantsTls(head)) return this.tlsRoute;
    const target = this.index.find(head, this.pathEnd(head.path), random, info)?.target;
    return target instanceof WeightedRoutes ? target.pick(head, random) : target;
  }

  private pathEnd(path: string): number {
    const end = queryStart(path);
    if (!this.table.ignorePathParameters) return end;
    const parameters = path.indexOf(';');
    return parameters < 0 || parameters > end ? end : parameters;
  }

  /** The client's own scheme decides, as x-forwarded-proto has it. */
  private wantsTls(head: RequestHead): boolean {
    if ((head.headers.get(X_FORWARDED_PROTO) ?? head.scheme) === 'https') return false;
    return this.requireTls === TlsRequirement.ALL || head.headers.get(X_ENVOY_INTERNAL) !== 'true';
  }

  private makeTlsRoute(): Route {
    return new Route({
      kind: 'redirect',
      name: '',
      virtualHost: this.settings,
      metadata: undefined,
      levels: new HeaderLevels(undefined, [], false),
      filterConfigs: this.filterConfigs,
      action: noAction,
      redirect: tlsRedirect,
    });
  }

  private target(message: RouteMessage, match: RouteMatch): RouteTarget {
    const { action } = message;
    const levels = [compileMutations(message), this.mutations, this.table.mutations];
    const common = {
      name: message.name,
      virtualHost: this.settings,
      metadata: message.metadata,
      levels: new HeaderLevels(undefined, levels, this.table.mostSpecificWins),
      filterConfigs: PerFilterConfigs.over(this.filterConfigs, message.typedPerFilterConfig),
      action: noAction,
      stats: compileRouteStats(message, this.settings.name, this.table.stats),
    };
    switch (action.case) {
      case 'redirect':
        return new Route({ ...common, kind: 'redirect', redirect: new RouteRedirect(action.value, match.path) });
      case 'directResponse': {
        const body = directResponseBody(action.value.body, this.table.maxDirectResponseBodyBytes);
        const { bodyFormat } = action.value;
        const format = bodyFormat === undefined ? undefined : compileReplyFormat(bodyFormat);
        return new Route({ ...common, kind: 'direct_response', directStatus: action.value.status, body, format });
      }
      case 'route': {
        const compiled = compileRouteAction(action.value, match.path, {
          runtime: this.table.runtime,
          retryPolicy: this.retryPolicy,
          hedgePolicy: this.hedgePolicy,
          mirrorPolicies: this.mirrorPolicies,
          requestBufferLimit: requestBufferLimit(message) ?? this.requestBufferLimit,
        });
        return this.forward(action.value, { ...common, kind: 'forward', action: compiled }, levels);
      }
      default:
        throw new Error(`a route with ${action.case ?? 'no action'} is not supported`);
    }
  }

  private forward(
    action: envoy.config.route.v3.RouteAction,
    parts: RouteParts,
    levels: readonly Mutations[],
  ): RouteTarget {
    const { clusterSpecifier: specifier } = action;
    switch (specifier.case) {
      case 'cluster':
        return new Route({ ...parts, cluster: specifier.value });
      case 'clusterHeader':
        return new Route({ ...parts, clusterHeader: headerName(specifier.value) });
      case 'weightedClusters':
        return this.weighted(specifier.value, parts, levels);
      default:
        throw new Error(`a route by ${specifier.case ?? 'no cluster'} is not supported`);
    }
  }

  private weighted(
    message: envoy.config.route.v3.WeightedCluster,
    parts: RouteParts,
    levels: readonly Mutations[],
  ): RouteTarget {
    const routes = message.clusters.map((weighted) => {
      const { hostRewriteSpecifier: host } = weighted;
      return new Route({
        ...parts,
        cluster: weighted.name === '' ? undefined : weighted.name,
        clusterHeader: weighted.clusterHeader === '' ? undefined : headerName(weighted.clusterHeader),
        levels: new HeaderLevels(compileMutations(weighted), levels, this.table.mostSpecificWins),
        filterConfigs: PerFilterConfigs.over(parts.filterConfigs, weighted.typedPerFilterConfig),
        weightedHost: host.case === 'hostRewriteLiteral' ? toWire(host.value) : '',
      });
    });
    const { randomValueSpecifier: specifier } = message;
    const { runtimeKeyPrefix } = message;
    return new WeightedRoutes(
      routes,
      message.clusters.map(({ name, weight = 0 }) => ({
        weight,
        runtimeKey: runtimeKeyPrefix === '' ? '' : `${runtimeKeyPrefix}.${name}`,
      })),
      specifier.case === 'headerName' ? specifier.value : '',
      this.table.runtime,
    );
  }
}

interface FilterConfigOwner {
  readonly typedPerFilterConfig: object;
}

export function hasFilterConfig({ typedPerFilterConfig }: FilterConfigOwner): boolean {
  return Object.keys(typedPerFilterConfig).length > 0;
}

function routeSwitchesFilters(message: RouteMessage): boolean {
  if (hasFilterConfig(message)) return true;
  const target = message.action.case === 'route' ? message.action.value.clusterSpecifier : undefined;
  return target?.case === 'weightedClusters' && target.value.clusters.some(hasFilterConfig);
}

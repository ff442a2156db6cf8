/** Step 7 of the data path: the routes of one virtual host. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { X_ENVOY_INTERNAL, X_FORWARDED_PROTO } from '../../native-free/headers/well_known.ts';
import { VirtualHost_TlsRequirementType as TlsRequirement } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { toWire } from '../common/wire_string.ts';
import { directResponseBody } from './direct_response_body.ts';
import { compileMutations, HeaderLevels, type Mutations } from './header_levels.ts';
import { PathIndex, type RouteEntry } from './path_index.ts';
import { queryStart } from './path_rewrite.ts';
import { PerFilterConfigs } from './per_filter_config.ts';
import { RouteRedirect, tlsRedirect } from './redirect.ts';
import { RetryPolicy } from './retry_policy.ts';
import { Route, type RouteParts } from './route.ts';
import { compileRouteAction, noAction } from './route_action.ts';
import { RouteMatch } from './route_match.ts';
import { type RouteTarget, WeightedRoutes } from './route_target.ts';

type RouteMessage = envoy.config.route.v3.Route;

/** What a route tells of its virtual host. */
export interface VirtualHostSettings {
  readonly name: string;
  readonly includeRequestAttemptCount: boolean;
  readonly includeResponseAttemptCount: boolean;
}

/** What all virtual hosts of a route configuration share. */
export interface TableSettings {
  readonly mutations: Mutations;
  readonly mostSpecificWins: boolean;
  readonly filterConfigs: PerFilterConfigs;
  readonly maxDirectResponseBodyBytes: number;
  /** The path ends at a `;` for matching. */
  readonly ignorePathParameters: boolean;
}

export class VirtualHost {
  readonly settings: VirtualHostSettings;
  private readonly table: TableSettings;
  private readonly mutations: Mutations;
  private readonly filterConfigs: PerFilterConfigs;
  private readonly retryPolicy: RetryPolicy | undefined;
  private readonly requireTls: number;
  private readonly tlsRoute: Route;
  private readonly index: PathIndex;

  constructor(message: envoy.config.route.v3.VirtualHost, table: TableSettings) {
    this.settings = {
      name: message.name,
      includeRequestAttemptCount: message.includeRequestAttemptCount,
      includeResponseAttemptCount: message.includeAttemptCountInResponse,
    };
    this.table = table;
    this.mutations = compileMutations(message);
    this.filterConfigs = PerFilterConfigs.over(table.filterConfigs, message.typedPerFilterConfig);
    this.retryPolicy = message.retryPolicy === undefined ? undefined : new RetryPolicy(message.retryPolicy);
    this.requireTls = message.requireTls;
    this.tlsRoute = this.makeTlsRoute();
    this.index = new PathIndex(message.routes.map((route, index) => this.entry(route, index)));
  }

  /** `random` is a non-negative integer, the same for the stream whenever its route is asked for. */
  route(head: RequestHead, random: number): Route | undefined {
    if (this.requireTls !== TlsRequirement.NONE && this.wantsTls(head)) return this.tlsRoute;
    const target = this.index.find(head, this.pathEnd(head.path), random)?.target;
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

  private entry(message: RouteMessage, index: number): RouteEntry {
    if (message.match === undefined) throw new Error('a route needs a match');
    const match = new RouteMatch(message.match);
    return { index, match, target: this.target(message, match) };
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
    };
    switch (action.case) {
      case 'redirect':
        return new Route({ ...common, kind: 'redirect', redirect: new RouteRedirect(action.value, match.path) });
      case 'directResponse': {
        const body = directResponseBody(action.value.body, this.table.maxDirectResponseBodyBytes);
        return new Route({ ...common, kind: 'direct_response', directStatus: action.value.status, body });
      }
      case 'route': {
        const compiled = compileRouteAction(action.value, match.path, this.retryPolicy);
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
    const weights = message.clusters.map((weighted) => weighted.weight ?? 0);
    return new WeightedRoutes(routes, weights, specifier.case === 'headerName' ? specifier.value : '');
  }
}

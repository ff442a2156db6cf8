/** Step 7 of the data path: a route configuration compiled; finds the route of a request by host, then by path and conditions. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { Runtime } from '../common/runtime.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { StatsStore } from '../spi/stats.ts';
import { compileMutations } from './header_levels.ts';
import { compileMirrorPolicies } from './mirror_policy.ts';
import { PerFilterConfigs } from './per_filter_config.ts';
import type { Route } from './route.ts';
import { hasFilterConfig, type TableSettings, VirtualHost } from './virtual_host.ts';
import { VirtualHostIndex } from './virtual_host_index.ts';

export type { Route } from './route.ts';

const defaultMaxDirectResponseBodyBytes = 4096;

/** Throws on what configuration validation refuses; the message names the fault. */
export function compileRouteConfiguration(
  message: envoy.config.route.v3.RouteConfiguration,
  runtime = new Runtime(),
  stats?: StatsStore,
): RouteTable {
  return new RouteTable(message, runtime, stats);
}

export class RouteTable {
  readonly name: string;
  /** To be removed from the requests of external clients. */
  readonly internalOnlyHeaders: readonly HeaderName[];
  /** Some route, virtual host or the table itself has a word on filters. */
  switchesFilters: boolean;
  /** More virtual hosts may come (VHDS). */
  readonly discoversHosts: boolean;
  private readonly ignorePort: boolean;
  private readonly settings: TableSettings;
  private readonly hosts = new VirtualHostIndex<VirtualHost>();

  /** Virtual hosts may be added later. Without `stats`, nothing is counted by virtual cluster and route. */
  constructor(message: envoy.config.route.v3.RouteConfiguration, runtime: Runtime, stats: StatsStore | undefined) {
    this.name = message.name;
    this.internalOnlyHeaders = message.internalOnlyHeaders.map(headerName);
    this.switchesFilters = hasFilterConfig(message);
    this.discoversHosts = message.vhds !== undefined;
    this.ignorePort = message.ignorePortInHostMatching;
    this.settings = {
      mutations: compileMutations(message),
      mostSpecificWins: message.mostSpecificHeaderMutationsWins,
      filterConfigs: new PerFilterConfigs(message.typedPerFilterConfig),
      maxDirectResponseBodyBytes: message.maxDirectResponseBodySizeBytes ?? defaultMaxDirectResponseBodyBytes,
      ignorePathParameters: message.ignorePathParametersInPathMatching,
      mirrorPolicies: compileMirrorPolicies(message.requestMirrorPolicies, runtime, []),
      runtime,
      stats,
    };
    for (const host of message.virtualHosts) this.addHost(this.makeHost(host));
  }

  /**
   * The route of a request, its weighted cluster chosen; undefined: 404. `random` is a non-negative integer, drawn once for
   * the stream: runtime fractions and weights are taken from it. `info` is the stream's, for conditions on its metadata.
   */
  route(head: RequestHead, random: number, info?: StreamInfo): Route | undefined {
    const host = this.hosts.find(head.authority, this.ignorePort);
    // Logged also where none of its routes matches.
    if (info !== undefined) info.virtualHostMetadata = host?.settings.metadata;
    return host?.route(head, random, info);
  }

  makeHost(message: envoy.config.route.v3.VirtualHost): VirtualHost {
    return new VirtualHost(message, this.settings);
  }

  /** One that was made here, or by a table that differed in nothing but its virtual hosts. */
  addHost(host: VirtualHost): void {
    this.switchesFilters ||= host.switchesFilters;
    for (const domain of host.domains) {
      if (!this.hosts.add(domain, host)) {
        throw new Error(
          `Only unique values for domains are permitted. Duplicate entry of domain ${domain} in route ${this.name}`,
        );
      }
    }
  }
}

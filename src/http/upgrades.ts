/** Step 5 of the data path: which requests may turn their stream into another protocol (`upgrade_configs`), and with what filters. */
import type { envoy } from '../api/envoy_types.ts';
import type { Route } from '../router/route_table.ts';
import type { FilterMaker } from '../spi/http_filter.ts';

type FilterMakers = readonly FilterMaker[];
type Manager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;

export interface UpgradeConfig {
  readonly enabled: boolean;
  /** Undefined: those of the connection manager. */
  readonly filters: FilterMakers | undefined;
}

/** By the protocol in lower case; `connect` for CONNECT. */
export type UpgradeConfigs = ReadonlyMap<string, UpgradeConfig>;

export function compileUpgrades(
  list: Manager['upgradeConfigs'],
  makeFilters: (list: readonly HttpFilter[]) => FilterMakers,
): UpgradeConfigs {
  return new Map(
    list.map((config) => [
      config.upgradeType.toLowerCase(),
      {
        enabled: config.enabled ?? true,
        filters: config.filters.length === 0 ? undefined : makeFilters(config.filters),
      },
    ]),
  );
}

/** The route's word goes before the manager's, either way. */
export function mayUpgrade(protocol: string, own: UpgradeConfig | undefined, route: Route | undefined): boolean {
  return route?.upgradeEnabled(protocol.toLowerCase()) ?? own?.enabled ?? false;
}

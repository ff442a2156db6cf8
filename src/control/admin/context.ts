/** What the admin interface may see and do: implemented by control/server.ts, faked by tests. */
import type { X509Certificate } from 'node:crypto';
import type { envoy } from '../../api/envoy_types.ts';
import type { LogLevel } from '../../common/log.ts';
import type { Address } from '../../common/stream_info.ts';
import type { RuntimeEntry } from '../runtime_layers.ts';
import type { StatsMerge } from '../stats_merge.ts';

export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export interface AdminContext {
  readonly stats: StatsMerge;
  /** As in `/server_info`: `<revision>/<version>/<status>/<build>/<ssl>`. */
  readonly versionText: string;
  /** `command_line_options` of /server_info, in Envoy's order. */
  readonly commandLineOptions: Readonly<Record<string, unknown>>;
  /** The node as it is sent to control planes: flags and build version filled in. */
  readonly node: envoy.config.core.v3.Node;
  readonly bootstrap: envoy.config.bootstrap.v3.Bootstrap;
  /** What holds in the runtime, and the names of its layers. */
  readonly runtime: { readonly layerNames: readonly string[]; entries(): readonly RuntimeEntry[] };
  /** When the process began, milliseconds since 1970; also when the bootstrap was loaded. */
  readonly startTime: number;

  /** What warms, each with what it waits for: `shared target SdsApi <name>`. */
  unready(): readonly UnreadyTargets[];
  /** The certificates in use, by the TLS contexts that use them. */
  certificates(): readonly ContextCertificates[];

  /** DRAINING too while /healthcheck/fail holds. */
  state(): ServerState;
  /** Everything /config_dump knows but the bootstrap, in the order of configuration. */
  resources(): readonly ConfigResource[];
  /** Of the last response of CDS or LDS; undefined: there was none. */
  latestVersion(type: string): string | undefined;
  clusters(): readonly ClusterStatus[];
  listeners(): readonly ListenerStatus[];

  logLevels(): readonly { readonly component: string; readonly level: LogLevel }[];
  /** Changes a component's level in all threads, every component's when undefined; false when there is no such component. */
  changeLogLevel(component: string | undefined, level: LogLevel): boolean;

  /** `/healthcheck/fail` (true) and `/healthcheck/ok`: the health check filter and /ready answer accordingly. */
  failHealthChecks(fail: boolean): void;
  drainListeners(options: DrainOptions): void;
  /** Sets keys in the admin layer of the runtime, or takes them out (empty text); false when there is no such layer. */
  modifyRuntime(changes: Iterable<readonly [key: string, text: string]>): boolean;
  /** Opens the files of access logs and of the log anew. */
  reopenLogs(): void;
  /** `/quitquitquit`: ends the process; called when the reply is on its way. */
  quit(): void;
}

export interface UnreadyTargets {
  /** As Envoy's init manager of it is called. */
  readonly name: string;
  readonly targets: readonly string[];
}

/** The certificates of one TLS context. */
export interface ContextCertificates {
  readonly authorities: readonly LoadedCertificate[];
  readonly chains: readonly LoadedCertificate[];
}

export interface LoadedCertificate {
  /** The file it came from, or `<inline>`. */
  readonly path: string;
  readonly certificate: X509Certificate;
}

export interface DrainOptions {
  /** First a drain period, then the listeners close. */
  readonly graceful: boolean;
  /** The listeners stay. */
  readonly skipExit: boolean;
  /** Only those with `traffic_direction: INBOUND`. */
  readonly inboundOnly: boolean;
}

/** One resource in use. */
export interface ConfigResource {
  /** Full message name: Cluster, Listener, RouteConfiguration, Secret or ClusterLoadAssignment of v3. */
  readonly type: string;
  readonly name: string;
  /** Of scoped routes: the list of all of a set; of endpoints what puts it together. */
  readonly message: unknown;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
  /** Set when it came by discovery: its version. */
  readonly version?: string;
  /** Not yet warm. */
  readonly warming?: boolean;
  /** A listener that accepts no more, its connections still ending. */
  readonly draining?: boolean;
  /** Why this is not in use: what a control plane sent last was refused. */
  readonly refused?: string;
}

export interface ListenerStatus {
  readonly name: string;
  /** Where it listens: the port that was given when 0 was asked for. */
  readonly address: Address;
  readonly additionalAddresses?: readonly Address[];
}

export interface ClusterStatus {
  readonly name: string;
  /** alt_stat_name, or the name. */
  readonly observabilityName: string;
  readonly addedViaApi: boolean;
  readonly edsServiceName?: string;
  readonly breakers: { readonly default: BreakerThresholds; readonly high: BreakerThresholds };
  /** Present with outlier detection. */
  readonly outlier?: OutlierStatus;
  readonly hosts: readonly HostStatus[];
}

export interface BreakerThresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

/** -1 each where there are too few requests. */
export interface OutlierStatus {
  readonly successRateAverage: number;
  readonly successRateEjectionThreshold: number;
  readonly localOriginSuccessRateAverage: number;
  readonly localOriginSuccessRateEjectionThreshold: number;
}

export interface HostStatus {
  readonly address: Address;
  readonly hostname: string;
  /** What its counts are kept under where that is not its address. */
  readonly countsKey?: string;
  /** In the order of `HealthFlagName`; empty for a healthy host. */
  readonly healthFlags: readonly HealthFlagName[];
  readonly weight: number;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly canary: boolean;
  readonly priority: number;
  /** Percent, -1 when unknown. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
}

export type HealthFlagName =
  | 'failed_active_hc'
  | 'failed_outlier_check'
  | 'failed_eds_health'
  | 'degraded_active_hc'
  | 'degraded_eds_health'
  | 'pending_dynamic_removal'
  | 'pending_active_hc'
  | 'excluded_via_immediate_hc_fail'
  | 'active_hc_timeout'
  | 'eds_status_draining';

/** The control path, composed: load → validate → clusters and listeners → snapshot → workers, then signals and drain. */
import { writeFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { addressOfMessage } from '../common/address.ts';
import { durationMs } from '../common/duration.ts';
import { logger, reopenLog } from '../common/log.ts';
import { HTTP1 } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import type { Diagnostic } from '../config/diagnostic.ts';
import type { LoadedBootstrap } from '../config/load.ts';
import { renderDiagnostics } from '../config/render.ts';
import { setUnknownFieldPolicy, type UnknownFieldPolicy } from '../config/unknown_fields.ts';
import { type DnsResolver, systemResolver } from '../dns/resolver.ts';
import { HealthChecker } from '../health/health_checker.ts';
import { HEALTH_CHECK } from '../health/stats.ts';
import { makeWords, mostClusters, mostHosts } from '../snapshot/layout.ts';
import { SnapshotPublisher } from '../snapshot/publisher.ts';
import { ExtensionConfigSet } from '../xds/resource_types/extension_configs.ts';
import { RouteSet } from '../xds/resource_types/routes.ts';
import { ScopeSet } from '../xds/resource_types/scoped_routes.ts';
import { AdminAccessLog } from './admin/access_log.ts';
import type { DrainOptions, ServerState } from './admin/context.ts';
import { AdminServer } from './admin/server.ts';
import { ServerAdminContext } from './admin_context.ts';
import { ClusterPlanes } from './cluster_planes.ts';
import { ClusterSet } from './cluster_set.ts';
import { mostClients } from './connection_monitor.ts';
import { Discovery } from './discovery.ts';
import { endpointStats } from './endpoint_stats.ts';
import { ListenerDrain } from './listener_drain.ts';
import { ListenerSet } from './listener_set.ts';
import { clusterLoads } from './load_source.ts';
import type { Options } from './options.ts';
import { Reloader } from './reload.ts';
import { RuntimeLayers } from './runtime_layers.ts';
import { SecretSet } from './secrets/secret_set.ts';
import { ServerStats } from './server_stats.ts';
import { StatsMerge } from './stats_merge.ts';
import { StatsRules } from './stats_rules.ts';
import { WorkerPool } from './worker_pool.ts';

const log = logger('main');
const adminLog = logger('admin');
const configLog = logger('config');

/** Milliseconds between tries for the admin address of the process that is being replaced. */
const adminRetry = 250;

/** Something that is wrong only once the process tries to serve, e.g. a taken port. */
export class StartError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map((diagnostic) => diagnostic.reason).join('; '));
    this.diagnostics = diagnostics;
  }
}

export class Server {
  readonly options: Options;
  /** As it was loaded last. */
  bootstrap: envoy.config.bootstrap.v3.Bootstrap;
  readonly node: envoy.config.core.v3.Node;
  readonly stats: StatsMerge;
  readonly clusters: ClusterSet;
  readonly listeners: ListenerSet;
  readonly routes: RouteSet;
  readonly scopes: ScopeSet;
  readonly extensionConfigs: ExtensionConfigSet;
  readonly runtime: RuntimeLayers;
  readonly secrets: SecretSet;
  readonly startTime = Date.now();
  readonly workers: WorkerPool;
  /** Set by /healthcheck/fail. */
  healthFailed = false;
  private readonly loaded: LoadedBootstrap;
  private readonly store: ThreadStats;
  private readonly publisher: SnapshotPublisher;
  private readonly serverStats: ServerStats;
  private readonly listenerDrain: ListenerDrain;
  private admin: AdminServer | undefined;
  private adminLog: AdminAccessLog | undefined;
  readonly discovery: Discovery;
  private readonly reloader: Reloader;
  private stopped = false;
  private publishing = false;
  private phase: ServerState = 'PRE_INITIALIZING';
  private flushTimer: NodeJS.Timeout | undefined;
  private finish!: () => void;
  /** Resolves when the process may end. */
  readonly ended = new Promise<void>((resolve) => {
    this.finish = resolve;
  });

  constructor(loaded: LoadedBootstrap, options: Options, resolver: DnsResolver = systemResolver()) {
    const bootstrap = loaded.bootstrap!;
    this.loaded = loaded;
    this.options = options;
    this.bootstrap = bootstrap;
    this.node = nodeOf(bootstrap, options);
    this.stats = new StatsMerge(new StatsRules(bootstrap.statsConfig, options.statsTags));
    const words = new Int32Array(makeWords());
    const source = this.stats.addSource();
    this.store = new ThreadStats((announcement) => source.announce(announcement));
    this.publisher = new SnapshotPublisher(words, mostClusters, mostHosts);
    this.secrets = new SecretSet({
      publisher: this.publisher,
      stats: this.store,
      staticSecrets: bootstrap.staticResources?.secrets ?? [],
      subscriptions: () => this.discovery.subscriptions,
      onChange: () => this.publishSoon(),
    });
    this.publisher.observer = this.secrets;
    this.stats.onLook(() => this.serverStats.setExpiry(this.secrets.refreshGauges(Date.now())));
    this.serverStats = new ServerStats(this.store, this.stats, options.concurrency, () => this.state);
    setUnknownFieldPolicy({ mode: unknownFieldMode(options), count: () => this.serverStats.onUnknownField() });
    this.runtime = new RuntimeLayers(bootstrap.layeredRuntime, this.store, this.node.cluster);
    this.clusters = new ClusterSet({
      publisher: this.publisher,
      resolver,
      stats: this.store,
      counted: (name) => this.stats.lastValue(name),
      texts: this.stats.texts,
      words,
      runtime: this.runtime.current,
      bootstrap,
      subscriptions: () => this.discovery.subscriptions,
      health: (message, onChange) => this.checkHealth(message, words, onChange),
      secrets: (message) => this.secrets.holdForCluster(message),
      onHealthChange: (name) => this.workers.broadcast({ kind: 'host_health', cluster: name }),
      onChange: () => this.publishSoon(),
    });
    this.stats.onLook(() => {
      this.clusters.refreshBreakers();
      this.serverStats.setClusters(this.clusters.names().size);
    });
    this.stats.endpoints = () => endpointStats(this.clusters.all(), this.stats);
    this.discovery = new Discovery({
      bootstrap,
      node: this.node,
      userAgent: options.userAgentName,
      planes: new ClusterPlanes(this.clusters, this.secrets),
      stats: this.store,
      texts: this.stats.texts,
      clusters: this.clusters,
      listeners: () => this.listeners,
      loads: () => clusterLoads(this.clusters.all(), this.stats),
      makeChecker: (cluster, ownWords) => this.checkHealth(cluster, ownWords, () => {}),
    });
    this.routes = new RouteSet({
      publisher: this.publisher,
      stats: this.store,
      subscriptions: () => this.discovery.subscriptions,
      clusters: () => this.clusters.names(),
      onChange: () => this.publishSoon(),
    });
    this.extensionConfigs = new ExtensionConfigSet({
      publisher: this.publisher,
      stats: this.store,
      subscriptions: () => this.discovery.subscriptions,
      clusters: () => this.clusters.names(),
      onChange: () => this.publishSoon(),
    });
    this.scopes = new ScopeSet({
      publisher: this.publisher,
      stats: this.store,
      routes: this.routes,
      subscriptions: () => this.discovery.subscriptions,
      clusters: () => this.clusters.names(),
      onChange: () => this.publishSoon(),
    });
    this.listeners = new ListenerSet({
      publisher: this.publisher,
      stats: this.store,
      routes: this.routes,
      extensionConfigs: this.extensionConfigs,
      scopes: this.scopes,
      secrets: (message) => this.secrets.holdForListener(message),
      concurrency: options.concurrency,
      drainTime: options.drainTimeS * 1000,
      restartEpoch: options.restartEpoch,
      onChange: () => this.publishSoon(),
    });
    this.listenerDrain = new ListenerDrain({
      drainTime: options.drainTimeS * 1000,
      broadcast: (message) => this.workers.broadcast(message),
      onStopped: (inboundOnly) => this.listeners.onStopped(inboundOnly),
    });
    this.workers = new WorkerPool({
      concurrency: options.concurrency,
      words,
      statsMerge: this.stats,
      task: {
        log: options.log,
        serviceCluster: this.node.cluster,
        serviceNode: this.node.id,
        fileFlushInterval: options.fileFlushIntervalMs,
        mostClients: mostClients(bootstrap),
        drainTime: options.drainTimeS * 1000,
        drainAtOnce: options.drainStrategy === 'immediate',
      },
      everything: () => this.publisher.everything(),
      runtime: () => this.runtime.values(),
      replay: () => this.listenerDrain.messages(),
      onGeneration: (generation) => this.publisher.acknowledge(generation),
      onDemand: async ({ what, from, name, timeout }) => {
        const asked =
          what === 'host' ? this.routes.requestHost(from, name) : this.discovery.onDemand.request(from, name, timeout);
        if (await asked) await this.publisher.whenServed();
      },
      onRestart: () => this.serverStats.onWorkerRestart(),
      onListenError: (listener, error) => log.error(`listener '${listener}' failed to listen on a worker: ${error}`),
    });
    this.reloader = new Reloader({
      loaded,
      prepare: (next) => void nodeOf(next, options),
      clusters: this.clusters,
      listeners: this.listeners,
      secrets: this.secrets,
      runtime: this.runtime,
      onRuntime: () => this.workers.broadcast({ kind: 'runtime', values: this.runtime.values() }),
      whenServed: () => this.publisher.whenServed(),
      report: (diagnostics) => {
        if (diagnostics.length > 0) process.stderr.write(`${renderDiagnostics(diagnostics)}\n`);
      },
      onApplied: (next) => {
        this.bootstrap = next;
      },
    });
  }

  get state(): ServerState {
    return this.healthFailed && this.phase === 'LIVE' ? 'DRAINING' : this.phase;
  }

  /** Serves when it resolves. Throws a StartError when an address is taken; nothing is left open then. */
  async start(): Promise<void> {
    const { staticResources, admin } = this.bootstrap;
    const errors: Diagnostic[] = [];
    log.info(`initializing epoch ${this.options.restartEpoch} (base id=0, hot restart version=disabled)`);
    if (admin?.address !== undefined) {
      this.adminLog = await AdminAccessLog.open(admin, this.options.fileFlushIntervalMs, this.store);
      const error = await this.listenForAdmin(admin.address);
      if (error !== '' && this.options.restartEpoch === 0) {
        errors.push(this.loaded.diagnose('error', 'admin.address', error));
      }
    }
    this.phase = 'INITIALIZING';
    configLog.info(`loading ${staticResources?.secrets.length ?? 0} static secret(s)`);
    configLog.info(`loading ${staticResources?.clusters.length ?? 0} cluster(s)`);
    configLog.info(`loading ${staticResources?.listeners.length ?? 0} listener(s)`);
    const binds = await this.listeners.start(staticResources?.listeners ?? []);
    for (const { index, reason } of binds) {
      errors.push(this.loaded.diagnose('error', `static_resources.listeners[${index}].address`, reason));
    }
    if (errors.length > 0) {
      await this.close();
      throw new StartError(errors);
    }
    await this.clusters.start(staticResources?.clusters ?? []);
    await this.runtime.follow(this.discovery.subscriptions, () => this.onRuntimeChanged());
    await this.discovery.startClusters();
    log.info('all clusters initialized. initializing init manager');
    await this.discovery.startListeners();
    await this.listeners.warm();
    this.publisher.publish();
    log.info('all dependencies initialized. starting workers');
    await this.workers.start();
    this.listeners.onWorkersStarted();
    this.phase = 'LIVE';
    this.serverStats.onInitialized(performance.now());
    log.info('starting main dispatch loop');
    this.publishSoon();
    this.discovery.startLoadReports();
    this.discovery.startHealthDiscovery();
    const interval = durationMs(this.bootstrap.statsFlushInterval) ?? 5000;
    this.flushTimer = setInterval(() => void this.flushHistograms(), interval);
    this.flushTimer.unref();
  }

  private onRuntimeChanged(): void {
    this.workers.broadcast({ kind: 'runtime', values: this.runtime.values() });
  }

  /** Why it does not listen, or empty. While the process before us has the address, it is tried until that one ends. */
  private async listenForAdmin(message: envoy.config.core.v3.Address): Promise<string> {
    const admin = new AdminServer(new ServerAdminContext(this), this.store, this.adminLog);
    const mode = message.address.case === 'pipe' ? message.address.value.mode : 0;
    const bound = await admin.listen(addressOfMessage(message), mode);
    if ('error' in bound) {
      if (this.options.restartEpoch > 0 && !this.stopped) {
        setTimeout(() => void this.listenForAdmin(message), adminRetry).unref();
      }
      return bound.error;
    }
    this.admin = admin;
    adminLog.info(`admin address: ${bound.address.text}`);
    if (this.stopped) await admin.close();
    else if (this.options.adminAddressPath !== '') writeFileSync(this.options.adminAddressPath, bound.address.text);
    return '';
  }

  private checkHealth(
    cluster: envoy.config.cluster.v3.Cluster,
    words: Int32Array,
    onChange: () => void,
  ): HealthChecker {
    const prefix = `cluster.${cluster.altStatName || cluster.name}.`;
    this.store.block(HTTP1, `${prefix}http1.`);
    return new HealthChecker(cluster, {
      words,
      stats: this.store.block(HEALTH_CHECK, `${prefix}health_check.`),
      tls: undefined,
      random: Math.random,
      hasTraffic: () => (this.stats.value(`${prefix}upstream_cx_total`) ?? 0) > 0,
      onChange,
    });
  }

  /** What changed in this turn goes to the workers as one generation. */
  private publishSoon(): void {
    if (this.publishing || this.phase === 'PRE_INITIALIZING' || this.phase === 'INITIALIZING') return;
    this.publishing = true;
    setImmediate(() => {
      this.publishing = false;
      const delta = this.stopped ? undefined : this.publisher.publish();
      if (delta !== undefined) this.workers.publish(delta);
    });
  }

  /**
   * Lets every connection finish what it does, then ends; at the latest after `--drain-time-s`. Connections that idle are
   * closed after a second, so that a request on its way to us is still answered.
   */
  async drain(): Promise<void> {
    if (this.phase === 'DRAINING') return;
    this.phase = 'DRAINING';
    log.info(`draining: waiting for connections to end, at most ${this.options.drainTimeS} s`);
    const limit = setTimeout(() => {
      log.warn('drain time is over, closing what is left');
      void this.close();
    }, this.options.drainTimeS * 1000);
    await this.workers.drain();
    clearTimeout(limit);
    await this.close();
  }

  /** Loads the configuration again and applies what has changed; false when it was refused, or there is nothing to reload yet. */
  async reload(): Promise<boolean> {
    if (this.phase !== 'LIVE' || this.stopped) {
      log.warn('the configuration is not reloaded: the server is not serving');
      return false;
    }
    return this.reloader.reload();
  }

  /** Opens the files of access logs and of the log anew. */
  reopenLogs(): void {
    reopenLog();
    this.workers.broadcast({ kind: 'reopen_logs' });
    this.adminLog?.reopen();
  }

  /** /drain_listeners: the process stays. */
  drainListeners(options: DrainOptions): void {
    this.listenerDrain.begin(options);
  }

  /** /healthcheck/fail and /healthcheck/ok. */
  failHealthChecks(failed: boolean): void {
    this.healthFailed = failed;
    this.listenerDrain.onHealthFailed(failed);
  }

  /** Ends at once. */
  async close(): Promise<void> {
    if (!this.stopped) log.info('shutting down server instance');
    this.stopped = true;
    clearInterval(this.flushTimer);
    this.listenerDrain.stop();
    this.discovery.stop();
    this.runtime.stop();
    this.routes.stop();
    this.scopes.stop();
    this.listeners.stop();
    this.extensionConfigs.stop();
    this.clusters.stop();
    this.secrets.stop();
    await this.workers.stop();
    await this.admin?.close();
    this.adminLog?.close();
    log.info('exiting');
    this.finish();
  }

  private async flushHistograms(): Promise<void> {
    const intervals = await this.workers.collectHistograms();
    this.stats.mergeHistograms([...intervals, ...this.store.takeHistograms()]);
  }
}

function unknownFieldMode(options: Options): UnknownFieldPolicy['mode'] {
  if (options.rejectUnknownDynamicFields) return 'reject';
  return options.ignoreUnknownDynamicFields ? 'ignore' : 'warn';
}

/** The bootstrap's node, its blanks filled from the command line. */
function nodeOf(bootstrap: envoy.config.bootstrap.v3.Bootstrap, options: Options): envoy.config.core.v3.Node {
  // The bootstrap stays as it was written.
  const node = {
    ...(bootstrap.node ?? (create(messageType('envoy.config.core.v3.Node')) as envoy.config.core.v3.Node)),
  };
  // The command line wins, as in Envoy.
  if (options.serviceCluster !== '') node.cluster = options.serviceCluster;
  if (options.serviceNode !== '') node.id = options.serviceNode;
  if (options.serviceZone !== '') {
    const none = create(messageType('envoy.config.core.v3.Locality')) as envoy.config.core.v3.Locality;
    node.locality = { ...(node.locality ?? none), zone: options.serviceZone };
  }
  return node;
}

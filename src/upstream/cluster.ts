/** Step 8 of the data path: one cluster as a worker sees it: settings, host set, load balancer, breaker, counters, pools. */
import type { Protocol, RequestHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, Priority } from '../common/breaker_limits.ts';
import { releaseCounts, type SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';
import type { Slices } from '../common/slices.ts';
import { codeCounters } from '../common/stats/codes.ts';
import { CLUSTER, HTTP1, HTTP2, http2Histograms } from '../common/stats/layouts.ts';
import type { Address, ConnectionInfo } from '../common/stream_info.ts';
import { type ConnectOptions, connect, type FirstBytes, type TlsPeer } from '../net/connect.ts';
import type { ByteCounters, Connection, ConnectionCallbacks } from '../net/connection.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import { AddressRace, attemptOrder, type ConnectionOwner, type OpenAddress } from './address_race.ts';
import { CircuitBreaker } from './circuit_breaker.ts';
import { balancerOptions, type ClusterOptions, clusterOptions } from './cluster_options.ts';
import { bindError } from './connect_error.ts';
import { ConnectionPool, type PoolKind } from './connection_pool.ts';
import { Host, type HostOptions } from './host.ts';
import type { PoolProtocol } from './http_options.ts';
import { PredictivePreconnect } from './predictive_preconnect.ts';
import { PrioritySet } from './priority_set.ts';
import { proxyProtocolStateOf } from './proxy_protocol.ts';
import { ResponseCharges } from './response_charges.ts';
import { serverNameOf } from './server_name.ts';
import { SlowStart } from './slow_start.ts';
import { TrackedExchanges } from './tracked_exchanges.ts';
import { type MakeTransport, TransportSockets } from './transport_sockets.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type AssignmentPolicy = envoy.config.endpoint.v3.ClusterLoadAssignment_Policy;

const alpnOf: Readonly<Record<PoolProtocol, readonly string[]>> = {
  http1: ['http/1.1'],
  http2: ['h2'],
  auto: ['h2', 'http/1.1'],
};

export class Cluster {
  readonly name: string;
  /** `cluster.<name or alt_stat_name>.` */
  readonly statsPrefix: string;
  readonly metadata: envoy.config.core.v3.Metadata | undefined;
  readonly options: ClusterOptions;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds an idle connection is kept; 0: for ever. */
  readonly idleTimeout: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  private readonly transports: TransportSockets;
  readonly responseOptions: ClusterOptions['response'];
  readonly breaker: CircuitBreaker;
  readonly highBreaker: CircuitBreaker;
  readonly stats: Float64Array;
  readonly byteCounters: ByteCounters;
  readonly connectTime: Histogram;
  readonly connectionLength: Histogram;
  readonly requestsPerConnection: Histogram;
  readonly retryCodes: ReturnType<typeof codeCounters>;
  readonly charges: ResponseCharges;
  /** The load balancer asks for active requests: then they are counted in shared memory. */
  readonly tracksActive: boolean;
  private readonly message: ClusterMessage;
  /** Some priority has a max_connection_pools. */
  private limitsPools = false;
  private readonly runtime: Runtime | undefined;
  private readonly shared: SharedWords;
  private readonly store: StatsStore;
  /** Undefined where nobody wants the statistics of it. */
  readonly tracked: TrackedExchanges | undefined;
  /** Of its codecs; undefined before the first connection of the protocol. */
  http1Stats: Float64Array | undefined;
  http2Stats: Float64Array | undefined;
  readonly slot: number;
  private wanted: readonly HostOptions[] = [];
  private hosts = new Map<string, Host>();
  private policy: AssignmentPolicy | undefined;
  private set: PrioritySet;
  private readonly slowStart: SlowStart | undefined;
  /** Undefined without a predictive_preconnect_ratio. */
  readonly ahead: PredictivePreconnect | undefined;

  constructor(
    message: ClusterMessage,
    slot: number,
    shared: SharedWords,
    store: StatsStore,
    makeTransport: MakeTransport = () => undefined,
    runtime?: Runtime,
  ) {
    this.runtime = runtime;
    const prefix = `cluster.${message.altStatName || message.name}.`;
    this.name = message.name;
    this.statsPrefix = prefix;
    this.metadata = message.metadata;
    this.slot = slot;
    this.shared = shared;
    this.store = store;
    this.message = message;
    this.options = clusterOptions(message);
    this.connectTimeout = this.options.connectTimeout;
    const { trackClusterStats: tracked } = message;
    const budgets = tracked?.timeoutBudgets === true || message.trackTimeoutBudgets;
    const sizes = tracked?.requestResponseSizes === true;
    this.tracked = budgets || sizes ? new TrackedExchanges(store, prefix, budgets, sizes) : undefined;
    this.idleTimeout = this.options.idleTimeout;
    this.maxRequestsPerConnection = this.options.maxRequestsPerConnection;
    this.responseOptions = this.options.response;
    this.breaker = new CircuitBreaker(breakerLimits(message, Priority.Default, runtime), shared, clusterBase(slot));
    this.highBreaker = new CircuitBreaker(
      breakerLimits(message, Priority.High, runtime),
      shared,
      clusterBase(slot) + ClusterWord.Priority,
    );
    this.noteLimits();
    const stats = store.block(CLUSTER, prefix);
    this.stats = stats;
    const connectOptions: ConnectOptions = {
      ...this.options.connect,
      onBindError: (connection, source, code) => {
        stats[CLUSTER.slot.bind_errors]++;
        connection.transportFailureReason = bindError(source.text, code);
      },
    };
    this.transports = new TransportSockets(message, connectOptions, makeTransport, store, prefix);
    this.byteCounters = {
      stats: this.stats,
      received: CLUSTER.slot.upstream_cx_rx_bytes_total,
      sent: CLUSTER.slot.upstream_cx_tx_bytes_total,
      waiting: CLUSTER.slot.upstream_cx_tx_bytes_buffered,
    };
    this.connectTime = store.histogram(`${prefix}upstream_cx_connect_ms`);
    this.connectionLength = store.histogram(`${prefix}upstream_cx_length_ms`);
    this.requestsPerConnection = store.histogram(`${prefix}upstream_rq_per_cx`);
    this.retryCodes = codeCounters(store, `${prefix}retry.upstream_rq_`);
    this.charges = new ResponseCharges(store, prefix);
    const balancer = balancerOptions(message, undefined);
    this.tracksActive = balancer.policy.kind === 'least_request';
    this.set = new PrioritySet([], balancer, shared, slot, stats);
    const { predictiveRatio, slowStart } = this.options;
    if (slowStart !== undefined) this.slowStart = new SlowStart(slowStart, () => this.rebuild());
    if (predictiveRatio > 1) this.ahead = new PredictivePreconnect(this, predictiveRatio);
  }

  /** Replaces the host set; hosts that stay keep their connections, pools of hosts that went drain. */
  updateHosts(wanted: readonly HostOptions[], policy?: AssignmentPolicy): void {
    const next = new Map<string, Host>();
    for (const options of wanted) this.addHost(next, options);
    this.takeHosts(next, wanted, policy);
  }

  /** The same in slices; until the last one requests go to the hosts there were. */
  async updateHostsInSlices(
    wanted: readonly HostOptions[],
    policy: AssignmentPolicy | undefined,
    slices: Slices,
  ): Promise<void> {
    const next = new Map<string, Host>();
    for (const options of wanted) {
      if (slices.over) await slices.next();
      this.addHost(next, options);
    }
    this.takeHosts(next, wanted, policy);
  }

  private addHost(next: Map<string, Host>, options: HostOptions): void {
    const place = this.options.logicalHost ? '' : options.address.text;
    const key = `${options.priority}/${place}/${options.hostname}`;
    next.set(key, this.nextHost(this.hosts.get(key), options));
  }

  private takeHosts(
    next: Map<string, Host>,
    wanted: readonly HostOptions[],
    policy: AssignmentPolicy | undefined,
  ): void {
    this.wanted = wanted;
    this.policy = policy;
    const before = this.hosts;
    const staying = new Set(next.values());
    let changed = next.size !== before.size;
    for (const [key, host] of before) {
      if (staying.has(host)) continue;
      const moved = next.get(key)?.slot === host.slot;
      changed ||= !moved;
      host.drainPools();
      if (!moved) host.leaveWords();
    }
    this.hosts = next;
    if (changed && this.options.closeConnectionsOnHostSetChange) for (const host of staying) host.drainPools();
    // Flags may have changed while the set was made.
    for (const host of staying) host.loadHealth();
    this.rebuild();
  }

  /** Takes over what another cluster of this name was told last. */
  async adoptHosts(former: Cluster, slices: Slices): Promise<void> {
    if (former.wanted.length > 0) await this.updateHostsInSlices(former.wanted, former.policy, slices);
  }

  /** After health flags of hosts changed in shared memory. */
  refreshHealth(): void {
    let changed = false;
    for (const host of this.hosts.values()) if (host.loadHealth()) changed = true;
    if (changed) this.rebuild();
  }

  /** After the runtime has changed. */
  refreshLimits(): void {
    this.breaker.limits = breakerLimits(this.message, Priority.Default, this.runtime);
    this.highBreaker.limits = breakerLimits(this.message, Priority.High, this.runtime);
    this.noteLimits();
  }

  private noteLimits(): void {
    const breakers = [this.breaker, this.highBreaker];
    this.limitsPools = breakers.some(({ limits }) => Number.isFinite(limits.maxConnectionPools));
  }

  /**
   * The host for the next request or connection; undefined when there is none. `avoid` has a bit for each priority level
   * that is to get nothing while another one can; `priority` is the route's (`Priority`).
   */
  chooseHost(avoid = 0, priority = 0): Host | undefined {
    const host = this.ahead === undefined ? this.set.pick(avoid) : this.ahead.pick(avoid);
    if (host === undefined) this.stats[CLUSTER.slot.upstream_cx_none_healthy]++;
    if (!this.limitsPools || host === undefined) return host;
    return this.mayHavePool(host, priority) ? host : undefined;
  }

  pickHost(avoid: number): Host | undefined {
    return this.set.pick(avoid);
  }

  get allHosts(): Iterable<Host> {
    return this.hosts.values();
  }

  /** What `pool` is for its host; undefined when it belongs to a name or a client. */
  poolLike(pool: ConnectionPool, host: Host): ConnectionPool | undefined {
    const index = pool.host.pools.indexOf(pool);
    if (index < 0) return undefined;
    host.pools[index] ??= this.makePool(host, index >> 1, pool.kind);
    return host.pools[index];
  }

  get hostCount(): number {
    return this.hosts.size;
  }

  /** Some of its hosts are told whose connection they get (PROXY protocol). */
  get tellsClients(): boolean {
    return this.transports.tellsClients;
  }

  /** The breaker of a routing priority. */
  breakerOf(priority: number): CircuitBreaker {
    return priority === Priority.High ? this.highBreaker : this.breaker;
  }

  /** The connections to a host that requests of a routing priority share; with use_downstream_protocol_config, those of one protocol. */
  poolOf(host: Host, priority = 0, requestProtocol: Protocol = 'HTTP/1.1'): ConnectionPool {
    const protocol = this.protocolFor(requestProtocol);
    const index = poolIndex(priority, protocol);
    const pool = host.pools[index] ?? this.makePool(host, priority, { protocol });
    host.pools[index] = pool;
    return pool;
  }

  /** The connections for a request. Those that ask for the name of its host (auto_sni) are shared by requests for that host. */
  poolFor(host: Host, priority: number, head: RequestHead, client?: ConnectionInfo): ConnectionPool {
    const { autoSni, autoSanValidation, autoSniHeader, poolPerClient } = this.options;
    const serverName = autoSni || autoSanValidation ? serverNameOf(head, autoSniHeader) : undefined;
    const owner = poolPerClient ? client?.id : undefined;
    const downstream = client !== undefined && this.tellsClients ? proxyProtocolStateOf(client) : undefined;
    if (serverName === undefined && downstream === undefined && owner === undefined)
      return this.poolOf(host, priority, head.protocol);
    const protocol = this.protocolFor(head.protocol);
    const ends = downstream === undefined ? '' : `${downstream.source.text}>${downstream.destination.text}`;
    const key = `${priority}/${protocol}/${serverName ?? ''}/${ends}/${owner ?? ''}`;
    let pool = host.namedPools.get(key);
    if (pool === undefined) {
      pool = this.makePool(host, priority, { protocol, serverName, downstream, key });
      host.namedPools.set(key, pool);
    }
    return pool;
  }

  /** A connection is made; `cluster.<name>.http1.` and `http2.` are there from the first of each protocol on. */
  countProtocol(http2: boolean): void {
    const { slot } = CLUSTER;
    this.stats[http2 ? slot.upstream_cx_http2_total : slot.upstream_cx_http1_total]++;
    if (http2 && this.http2Stats === undefined) {
      this.http2Stats = this.store.block(HTTP2, `${this.statsPrefix}http2.`);
      for (const name of http2Histograms) this.store.histogram(`${this.statsPrefix}http2.${name}`);
    }
    if (!http2) this.http1Stats ??= this.store.block(HTTP1, `${this.statsPrefix}http1.`);
  }

  /** A pool without connections and requests is given up. */
  onPoolIdle(pool: ConnectionPool): void {
    pool.host.forgetPool(pool);
    if (pool.counted) pool.breaker.releasePool();
    pool.counted = false;
  }

  /**
   * Connects to a host; `protocol` is what ALPN asks for where configuration does not, undefined for bytes that are not HTTP.
   * `serverName` goes before the SNI that is configured (auto_sni), and is what the certificate must be for
   * (auto_san_validation). `downstream` is the client a host is told of that wants to know.
   */
  connectTo(host: Host, owner: ConnectionOwner, kind: Partial<PoolKind> = {}): Connection {
    if (host.addresses.length < 2) return this.connectAt(host, host.target, owner, kind);
    let attempts = 0;
    const open: OpenAddress = (address, callbacks) => {
      if (attempts++ > 0) this.stats[CLUSTER.slot.upstream_cx_total]++;
      return this.connectAt(host, address, callbacks, kind);
    };
    return new AddressRace(owner, attemptOrder(host.addresses, this.options.happyEyeballs), open).first;
  }

  private connectAt(host: Host, at: Address, callbacks: ConnectionCallbacks, kind: Partial<PoolKind>): Connection {
    const { protocol, serverName, downstream } = kind;
    const options = this.transports.optionsFor(host.transportMatch);
    const { proxyProtocol } = options;
    const first: FirstBytes | undefined = proxyProtocol && ((opened) => proxyProtocol.header(downstream, opened));
    const peer = options.tls === undefined ? undefined : this.tlsPeer(host, protocol, serverName);
    const connection = connect(at, options, callbacks, peer, first);
    connection.counters = this.byteCounters;
    return connection;
  }

  private tlsPeer(host: Host, protocol: PoolProtocol | undefined, serverName: string | undefined): TlsPeer {
    const { autoSni, autoSanValidation } = this.options;
    return {
      address: host.address,
      hostname: host.hostname,
      serverName: autoSni ? serverName : undefined,
      verifiedName: autoSanValidation ? serverName : undefined,
      alpn: protocol === undefined ? undefined : alpnOf[protocol],
    };
  }

  /** Lets all connections end when their exchange is over. */
  drain(): void {
    for (const host of this.hosts.values()) host.drainPools();
    this.transports.close();
    this.slowStart?.stop();
  }

  /** It is gone for good: its words get other owners while its last exchanges go on. */
  leaveWords(): void {
    releaseCounts(this.shared, clusterBase(this.slot));
    releaseCounts(this.shared, clusterBase(this.slot) + ClusterWord.Priority);
    for (const host of this.hosts.values()) host.leaveWords();
  }

  /** The host as it is when nothing but weight and health changed; its pools go on where it moved. */
  private nextHost(present: Host | undefined, options: HostOptions): Host {
    const { logicalHost } = this.options;
    const place = logicalHost ? { ...options, countsKey: options.hostname } : options;
    if (present === undefined || present.slot !== options.slot) return new Host(place, this.shared, this.store);
    if (present.address === options.address.text) {
      present.weight = options.weight;
      present.addresses = options.addresses ?? [];
      present.locality = options.locality ?? present.locality;
      present.metadata = options.metadata;
      present.lbMetadata = options.lbMetadata;
      present.loadHealth();
      return present;
    }
    const moved = new Host(place, this.shared, this.store);
    moved.takePools(present);
    return moved;
  }

  private rebuild(): void {
    this.ahead?.forget();
    this.slowStart?.apply(this.hosts.values());
    const options = balancerOptions(this.message, this.policy);
    this.set = new PrioritySet(this.hosts.values(), options, this.shared, this.slot, this.stats);
  }

  /** Over max_connection_pools a host without a pool cannot be used. */
  private mayHavePool(host: Host, priority: number): boolean {
    const first = poolIndex(priority, 'http1');
    const any = host.pools[first] ?? host.pools[first + 1];
    if (any !== undefined || this.poolOf(host, priority).counted) return true;
    this.onPoolIdle(this.poolOf(host, priority));
    this.stats[CLUSTER.slot.upstream_cx_pool_overflow]++;
    return false;
  }

  private protocolFor(requestProtocol: Protocol): PoolProtocol {
    const { protocol } = this.options;
    if (protocol !== 'downstream') return protocol;
    return requestProtocol === 'HTTP/2' || requestProtocol === 'HTTP/3' ? 'http2' : 'http1';
  }

  private makePool(host: Host, priority: number, kind: PoolKind): ConnectionPool {
    const pool = new ConnectionPool(this, host, this.breakerOf(priority), kind);
    pool.counted = pool.breaker.tryPool();
    return pool;
  }
}

/** Two places for each routing priority: a cluster that speaks what its client speaks has two kinds of pools. */
function poolIndex(priority: number, protocol: PoolProtocol): number {
  return 2 * priority + (protocol === 'http2' ? 1 : 0);
}

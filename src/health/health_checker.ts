/** Active health checks of one cluster (control path: health): a session for each host, its findings written to its shared word. */
import type { ConnectionOptions } from 'node:tls';
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import type { Address } from '../common/stream_info.ts';
import { activeHcChecked, HealthFlag, HostWord, hostBase } from '../snapshot/layout.ts';
import { type CheckOutcome, CheckState, nextInterval } from './check_state.ts';
import { HttpCheck } from './http_check.ts';
import { type HealthCheckSettings, healthCheckSettings } from './settings.ts';
import { HEALTH_CHECK } from './stats.ts';

const log = logger('hc');

type Cluster = envoy.config.cluster.v3.Cluster;

/** A host to be checked. */
export interface CheckedHost {
  /** Names it among the cluster's hosts. */
  readonly key: string;
  /** Where the check goes: the host's own address unless its endpoint says otherwise. */
  readonly address: Address;
  readonly hostname: string;
  /** No checks: it counts as healthy. */
  readonly disabled: boolean;
  readonly slot: number;
}

export interface HealthCheckerParts {
  readonly words: Int32Array;
  /** Slots of `cluster.<name>.health_check.`. */
  readonly stats: Float64Array;
  readonly tls: ConnectionOptions | undefined;
  readonly random: () => number;
  /** The cluster has had a connection already. */
  readonly hasTraffic: () => boolean;
  /** Flags of hosts changed. */
  readonly onChange: () => void;
}

class Session {
  readonly host: CheckedHost;
  readonly state: CheckState;
  readonly check: HttpCheck;
  timer: NodeJS.Timeout | undefined;
  checked = false;

  constructor(host: CheckedHost, state: CheckState, check: HttpCheck) {
    this.host = host;
    this.state = state;
    this.check = check;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.check.stop();
  }
}

const activeFlags =
  HealthFlag.FailedActiveHc | HealthFlag.DegradedActiveHc | HealthFlag.PendingActiveHc | HealthFlag.ActiveHcTimeout;

export class HealthChecker {
  readonly firstRound: Promise<void>;
  private readonly cluster: Cluster;
  private readonly message: envoy.config.core.v3.HealthCheck;
  private readonly settings: HealthCheckSettings;
  private readonly parts: HealthCheckerParts;
  private readonly sessions = new Map<string, Session>();
  private resolveFirst!: () => void;
  private hostsKnown = false;
  private stopped = false;

  constructor(cluster: Cluster, parts: HealthCheckerParts) {
    this.cluster = cluster;
    [this.message] = cluster.healthChecks;
    this.settings = healthCheckSettings(this.message);
    this.parts = parts;
    this.firstRound = new Promise((resolve) => {
      this.resolveFirst = resolve;
    });
  }

  /** Hosts that stay keep their state; new ones are unhealthy until their first check. */
  setHosts(hosts: readonly CheckedHost[]): void {
    const staying = new Set<string>();
    this.hostsKnown = true;
    for (const host of hosts) {
      if (host.disabled) continue;
      staying.add(host.key);
      const present = this.sessions.get(host.key);
      if (present?.host.slot === host.slot) continue;
      present?.stop();
      this.begin(host);
    }
    for (const [key, session] of this.sessions) {
      if (staying.has(key)) continue;
      session.stop();
      this.sessions.delete(key);
    }
    this.settleFirst();
    this.countHosts();
  }

  stop(): void {
    this.stopped = true;
    for (const session of this.sessions.values()) session.stop();
    this.resolveFirst();
  }

  private begin(host: CheckedHost): void {
    const { words } = this.parts;
    const word = hostBase(host.slot) + HostWord.Health;
    // A host of the cluster that is being replaced has been checked already.
    const known = (Atomics.load(words, word) & activeHcChecked) !== 0;
    const healthy = known && (Atomics.load(words, word) & HealthFlag.FailedActiveHc) === 0;
    const pending = this.cluster.commonLbConfig?.ignoreNewHostsUntilFirstHc === true ? HealthFlag.PendingActiveHc : 0;
    if (!known) Atomics.or(words, word, HealthFlag.FailedActiveHc | pending | activeHcChecked);
    const check = new HttpCheck(
      { address: host.address, hostname: host.hostname, tls: this.parts.tls },
      {
        message: this.message.healthChecker.value as envoy.config.core.v3.HealthCheck_HttpHealthCheck,
        clusterName: this.cluster.name,
        timeout: this.settings.timeout,
        reuseConnection: this.settings.reuseConnection,
        onOtherService: () => this.parts.stats[HEALTH_CHECK.slot.verify_cluster]++,
      },
    );
    const session = new Session(host, new CheckState(this.settings, healthy), check);
    session.checked = known;
    this.sessions.set(host.key, session);
    const wait = Math.floor(this.parts.random() * this.settings.initialJitter);
    if (wait === 0) this.run(session);
    else session.timer = setTimeout(() => this.run(session), wait);
  }

  private run(session: Session): void {
    if (this.stopped) return;
    this.parts.stats[HEALTH_CHECK.slot.attempt]++;
    session.check.run((outcome) => {
      if (!this.stopped && this.sessions.get(session.host.key) === session) this.take(session, outcome);
    });
  }

  private take(session: Session, outcome: CheckOutcome): void {
    const { stats, hasTraffic, random, onChange } = this.parts;
    const { slot } = HEALTH_CHECK;
    const success = outcome === 'healthy' || outcome === 'degraded';
    stats[success ? slot.success : slot.failure]++;
    if (outcome === 'timeout' || outcome === 'network failure') stats[slot.network_failure]++;
    const result = session.state.take(outcome);
    const first = !session.checked;
    session.checked = true;
    const flags =
      (result.healthy ? 0 : HealthFlag.FailedActiveHc) |
      (result.degraded ? HealthFlag.DegradedActiveHc : 0) |
      (result.timedOut ? HealthFlag.ActiveHcTimeout : 0);
    const changed = this.write(session, flags);
    if (result.changed || first) this.logChange(session, outcome, result.healthy, first);
    if (changed) {
      this.countHosts();
      onChange();
    }
    this.settleFirst();
    const wait = nextInterval(this.settings, result, hasTraffic(), random);
    session.timer = setTimeout(() => this.run(session), wait);
  }

  /** True when the word says something else than before. */
  private write(session: Session, flags: number): boolean {
    const { words } = this.parts;
    const index = hostBase(session.host.slot) + HostWord.Health;
    const before = Atomics.load(words, index);
    Atomics.and(words, index, ~activeFlags);
    Atomics.or(words, index, flags | activeHcChecked);
    return (before & activeFlags) !== flags;
  }

  private settleFirst(): void {
    if (!this.hostsKnown) return;
    for (const { checked } of this.sessions.values()) if (!checked) return;
    this.resolveFirst();
  }

  private countHosts(): void {
    const { stats, words } = this.parts;
    let healthy = 0;
    let degraded = 0;
    for (const { host } of this.sessions.values()) {
      const flags = Atomics.load(words, hostBase(host.slot) + HostWord.Health);
      if ((flags & HealthFlag.FailedActiveHc) === 0) healthy++;
      if ((flags & HealthFlag.DegradedActiveHc) !== 0) degraded++;
    }
    stats[HEALTH_CHECK.slot.healthy] = healthy;
    if (stats[HEALTH_CHECK.slot.degraded] !== degraded) stats[HEALTH_CHECK.slot.degraded] = degraded;
  }

  private logChange({ host }: Session, outcome: CheckOutcome, healthy: boolean, first: boolean): void {
    const what = healthy ? 'healthy' : 'unhealthy';
    const when = first ? ' after its first check' : '';
    const text = `cluster '${this.cluster.name}': host ${host.address.text} is ${what}${when} (${outcome})`;
    if (healthy) log.info(text);
    else log.warn(text);
  }
}

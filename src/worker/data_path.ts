/** The data path of one worker, composed: listeners → filter chain → codec → filters → router → clusters → hosts. */

import { threadId } from 'node:worker_threads';
import { LogFiles } from '../common/access_log/log_files.ts';
import { now, tick } from '../common/clock.ts';
import type { SharedWords } from '../common/counted_words.ts';
import { logger, setLogLevels } from '../common/log.ts';
import { NamedWords } from '../common/named_words.ts';
import { Runtime, type RuntimeValues } from '../common/runtime.ts';
import { FILESYSTEM } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { setTimerFaultHandler } from '../common/timers.ts';
import { globalLimitKey } from '../listener/connection_limit.ts';
import type { ProcessDrain } from '../listener/listener_drain.ts';
import { shareConnectionIds } from '../net/connection_ids.ts';
import { setFaultHandler } from '../net/event.ts';
import { setSocketBudget } from '../net/socket_budget.ts';
import { connectionIdWord, mostNamed, namedBase, socketsWord } from '../snapshot/layout.ts';
import { beatInterval, type FromWorker, type ToWorker, type WorkerTask } from '../spi/worker_messages.ts';
import { ClusterManager } from '../upstream/cluster_manager.ts';
import { SnapshotApplier } from './apply_snapshot.ts';
import { crash } from './crash.ts';
import { ExtensionLoader } from './extension_loader.ts';
import { OnDemandRequests } from './on_demand_requests.ts';
import { SecretStore } from './secret_store.ts';

const log = logger('main');

export class DataPath {
  private readonly task: WorkerTask;
  private readonly stats: ThreadStats;
  private readonly files: LogFiles;
  private readonly clusters: ClusterManager;
  private readonly snapshot: SnapshotApplier;
  private readonly runtime = new Runtime();
  private readonly onDemand = new OnDemandRequests(
    (message) => this.post(message),
    (error) => this.onFault(error),
  );
  private readonly drain: ProcessDrain;
  private finish!: () => void;

  constructor(task: WorkerTask) {
    this.task = task;
    this.loadRuntime(task.runtime);
    this.drain = { draining: false, healthFailed: false, drainTime: task.drainTime, immediate: task.drainAtOnce };
    this.stats = new ThreadStats((announcement) => this.post({ kind: 'stats', announcement }));
    this.files = new LogFiles(task.fileFlushInterval, this.stats.block(FILESYSTEM, 'filesystem.'));
    const shared: SharedWords = { words: new Int32Array(task.words), ledger: new Int32Array(task.ledger) };
    shareConnectionIds(shared.words, connectionIdWord);
    setSocketBudget({ ...shared, index: socketsWord, most: task.mostSockets });
    const { runtime } = this;
    this.clusters = new ClusterManager(
      shared,
      this.stats,
      (socket, scope) => loader.upstreamTransport(socket, scope),
      runtime,
    );
    const { clusters } = this;
    const secrets = new SecretStore();
    const loader: ExtensionLoader = new ExtensionLoader({
      worker: task.index,
      secrets,
      stats: this.stats,
      clusters,
      files: this.files,
      serviceCluster: task.serviceCluster,
      serviceNode: task.serviceNode,
      drain: this.drain,
      runtime,
      onDemand: this.onDemand,
      named: new NamedWords({ ...shared, base: namedBase, places: mostNamed }),
    });
    this.snapshot = new SnapshotApplier({
      worker: task.index,
      concurrency: task.concurrency,
      clusters,
      secrets,
      loader,
      stats: this.stats,
      shared,
      drain: this.drain,
      post: (message) => this.post(message),
    });
  }

  /** As in Envoy the limit of the overload manager goes before that of the runtime. */
  private loadRuntime(values: RuntimeValues): void {
    const { mostClients } = this.task;
    const limit = { text: String(mostClients), number: mostClients };
    this.runtime.load(mostClients === undefined ? values : new Map([...values, [globalLimitKey, limit]]));
  }

  /** Serves until it is told to stop. */
  run(): Promise<void> {
    setFaultHandler((error) => this.onFault(error));
    setTimerFaultHandler((error) => this.onFault(error));
    const { port } = this.task;
    port.on('message', (message: ToWorker) => this.onMessage(message));
    const pulse = new Int32Array(this.task.pulse);
    Atomics.store(pulse, 1, threadId);
    const beat = setInterval(() => Atomics.add(pulse, 0, 1), beatInterval);
    this.snapshot.apply(this.task.snapshot);
    return new Promise((resolve) => {
      this.finish = () => {
        clearInterval(beat);
        this.files.flushSync();
        port.close();
        resolve();
      };
    });
  }

  private onMessage(message: ToWorker): void {
    tick();
    switch (message.kind) {
      case 'snapshot':
        this.snapshot.apply(message.snapshot);
        break;
      case 'drain':
        this.drain.draining = true;
        this.snapshot.drainListeners(() => this.post({ kind: 'drained' }));
        break;
      case 'drain_sequence':
        this.snapshot.startDrainSequence(message.inboundOnly);
        break;
      case 'stop_listeners':
        this.snapshot.stopListeners(message.inboundOnly, () => this.post({ kind: 'listeners_stopped' }));
        break;
      case 'on_demand_answer':
        this.onDemand.onAnswer(message.request);
        break;
      case 'host_health':
        this.clusters.live(message.cluster)?.refreshHealth();
        break;
      case 'health_failed':
        this.drain.healthFailed = message.failed;
        break;
      case 'stop':
        this.snapshot.closeListeners();
        this.finish();
        break;
      case 'flush_histograms':
        this.post({ kind: 'histograms', values: this.stats.takeHistograms() });
        break;
      case 'runtime':
        this.loadRuntime(message.values);
        this.clusters.refreshLimits();
        break;
      case 'reopen_logs':
        this.files.reopen();
        break;
      case 'log_levels':
        setLogLevels(message.log.level, message.log.componentLevels, message.log);
        break;
      case 'crash':
        crash(message.how);
    }
  }

  private onFault(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error(`fault in the code of a connection after ${Math.round(now)} ms: ${text}`);
    this.post({ kind: 'fault', text });
  }

  private post(message: FromWorker): void {
    this.task.port.postMessage(message);
  }
}

/** The supervisor of the workers: one endless piscina task each, run again on a fresh thread when a worker dies. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { logger } from '../common/log.ts';
import type { RuntimeValues } from '../common/runtime.ts';
import type { HistogramInterval } from '../common/stats/histogram.ts';
import { makeWords, type SnapshotDelta } from '../snapshot/layout.ts';
import { packSnapshot } from '../snapshot/packed.ts';
import type { Crash, FromWorker, OnDemandRequest, ToWorker, WorkerTask } from '../spi/worker_messages.ts';
import { mostSockets } from './descriptor_limit.ts';
import { HeartbeatWatch } from './heartbeat.ts';
import type { StatsMerge, StatsSource } from './stats_merge.ts';

const log = logger('main');

/** MiB of the young generation: three semi-spaces of 16 MiB, which garbage collection cost least with. */
const youngGeneration = 48;
/** Milliseconds all workers get to close their listening sockets; a hung one does not hold up the others. */
const stopGrace = 1000;
/** Milliseconds before a worker that keeps dying at its start is tried again. */
const restartDelay = 100;

export interface WorkerPoolOptions {
  readonly concurrency: number;
  readonly words: Int32Array;
  readonly statsMerge: StatsMerge;
  /** What every task has in common. */
  readonly task: Pick<
    WorkerTask,
    'log' | 'serviceCluster' | 'serviceNode' | 'fileFlushInterval' | 'mostClients' | 'drainTime' | 'drainAtOnce'
  >;
  /** What a worker that starts must be told of what holds by now. */
  readonly replay: () => readonly ToWorker[];
  readonly everything: () => SnapshotDelta;
  readonly runtime: () => RuntimeValues;
  readonly onGeneration: (generation: number) => void;
  readonly onRestart: () => void;
  /** An exchange waits for something; resolves when every worker has what came of it. */
  readonly onDemand: (request: OnDemandRequest) => Promise<void>;
  /** A listener could not be opened by a worker. */
  readonly onListenError: (listener: string, error: string) => void;
}

interface Member {
  readonly index: number;
  readonly ledger: Int32Array;
  readonly pulse: Int32Array;
  port: MessagePort | undefined;
  source: StatsSource;
  generation: number;
  /** It has acknowledged a generation. */
  serving: boolean;
  /** It has been found hung and is being ended. */
  hung: boolean;
  drained: boolean;
  startedAt: number;
}

export class WorkerPool {
  private readonly options: WorkerPoolOptions;
  private readonly pool: Piscina;
  private readonly members: Member[] = [];
  private readonly watch = new HeartbeatWatch(this.members, (member) => this.onHung(member));
  private readonly mostSockets: number;
  private stopping = false;
  private onReady: (() => void) | undefined;
  private onDrained: (() => void) | undefined;
  private onListenersStopped: (() => void) | undefined;
  private histograms: { waiting: number; intervals: HistogramInterval[]; done: () => void } | undefined;

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    this.mostSockets = mostSockets(options.concurrency);
    this.pool = new Piscina({
      filename: new URL(`../worker/entry.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href,
      minThreads: options.concurrency,
      maxThreads: options.concurrency,
      atomics: 'disabled',
      idleTimeout: Number.POSITIVE_INFINITY,
      resourceLimits: { maxYoungGenerationSizeMb: youngGeneration },
    });
    this.pool.on('error', (error) => log.error(`worker thread: ${error}`));
  }

  /** Resolves when every worker serves the first generation. */
  start(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.onReady = resolve;
    });
    for (let index = 0; index < this.options.concurrency; index++) {
      this.members.push({
        index,
        ledger: new Int32Array(makeWords()),
        pulse: new Int32Array(new SharedArrayBuffer(8)),
        port: undefined,
        source: this.options.statsMerge.addSource(),
        generation: -1,
        serving: false,
        hung: false,
        drained: false,
        startedAt: 0,
      });
    }
    for (const member of this.members) this.runMember(member);
    this.watch.start();
    return ready;
  }

  broadcast(message: ToWorker): void {
    for (const member of this.members) member.port?.postMessage(message);
  }

  publish(delta: SnapshotDelta): void {
    this.broadcast({ kind: 'snapshot', snapshot: packSnapshot(delta) });
  }

  /**
   * Stops accepting; resolves when no connection is left on any worker. No client is told to come back before every listening
   * socket is closed: the kernel resets what waits in the queue of one, and another process may be there to take it.
   */
  async drain(): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.onDrained = resolve;
    });
    this.stopping = true;
    await this.stopListeners();
    this.broadcast({ kind: 'drain' });
    await drained;
  }

  private stopListeners(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let waiting = this.members.filter((member) => member.port !== undefined).length;
    this.onListenersStopped = () => {
      if (--waiting <= 0) resolve();
    };
    setTimeout(resolve, stopGrace);
    this.broadcast({ kind: 'stop_listeners', inboundOnly: false });
    return promise;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.watch.stop();
    this.broadcast({ kind: 'stop' });
    await this.pool.destroy();
  }

  /** What all workers' histograms got since the last time; those of a worker that does not answer come the next time. */
  collectHistograms(): Promise<HistogramInterval[]> {
    const { promise, resolve } = Promise.withResolvers<HistogramInterval[]>();
    const waiting = this.members.filter((member) => member.port !== undefined).length;
    const intervals: HistogramInterval[] = [];
    const timer = setTimeout(() => resolve(intervals), 500);
    const done = () => {
      clearTimeout(timer);
      resolve(intervals);
    };
    this.histograms = { waiting, intervals, done };
    if (waiting === 0) done();
    this.broadcast({ kind: 'flush_histograms' });
    return promise;
  }

  /** Makes a worker fail as a fault of Node or of our code would. For tests. */
  crash(index: number, how: Crash = 'exit'): void {
    this.members[index].port?.postMessage({ kind: 'crash', how } satisfies ToWorker);
  }

  /** A hung worker takes no messages: its thread is ended from outside, and its task fails as with any other death. */
  private onHung(member: Member): void {
    const id = Atomics.load(member.pulse, 1);
    const thread = this.pool.threads.find((worker) => worker.threadId === id);
    log.critical(`worker ${member.index} hangs: no beat of its loop`);
    if (thread === undefined) return;
    member.hung = true;
    void thread.terminate();
  }

  private runMember(member: Member): void {
    if (this.stopping) return;
    const { port1, port2 } = new MessageChannel();
    const { options } = this;
    member.port = port1;
    member.generation = -1;
    member.serving = false;
    member.hung = false;
    member.startedAt = performance.now();
    port1.on('message', (message: FromWorker) => this.onMessage(member, message));
    const task: WorkerTask = {
      ...options.task,
      port: port2,
      index: member.index,
      words: options.words.buffer as SharedArrayBuffer,
      ledger: member.ledger.buffer as SharedArrayBuffer,
      pulse: member.pulse.buffer as SharedArrayBuffer,
      snapshot: packSnapshot(options.everything()),
      runtime: options.runtime(),
      mostSockets: this.mostSockets,
      concurrency: options.concurrency,
    };
    for (const message of options.replay()) port1.postMessage(message);
    this.pool.run(task, { transferList: [port2] as never }).then(
      () => this.onEnd(member, undefined),
      (error: unknown) => this.onEnd(member, error),
    );
  }

  private onEnd(member: Member, error: unknown): void {
    member.port?.close();
    member.port = undefined;
    this.takeBack(member);
    if (this.stopping) {
      this.onDrainedMember(member);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error ?? 'it ended by itself');
    const text = member.hung ? 'it hung and was ended' : reason;
    log.critical(`worker ${member.index} died: ${text}; starting a new one`);
    this.options.onRestart();
    const lived = performance.now() - member.startedAt;
    setTimeout(() => this.runMember(member), lived < 1000 ? restartDelay : 0);
  }

  /** What a dead worker had counted in shared words is taken off again; its counters stay, its gauges go. */
  private takeBack(member: Member): void {
    member.source.remove();
    member.source = this.options.statsMerge.addSource();
    const { words } = this.options;
    const { ledger } = member;
    for (let index = 0; index < ledger.length; index++) {
      if (ledger[index] === 0) continue;
      Atomics.sub(words, index, ledger[index]);
      ledger[index] = 0;
    }
  }

  private onMessage(member: Member, message: FromWorker): void {
    switch (message.kind) {
      case 'stats':
        member.source.announce(message.announcement);
        break;
      case 'ready':
        this.onGeneration(member, message.generation);
        break;
      case 'listening':
        if (message.error !== '') this.options.onListenError(message.listener, message.error);
        break;
      case 'histograms':
        this.onHistograms(message.values);
        break;
      case 'fault':
        break;
      case 'on_demand':
        void this.answer(member, message.request);
        break;
      case 'listeners_stopped':
        this.onListenersStopped?.();
        break;
      case 'drained':
        this.onDrainedMember(member);
        break;
    }
  }

  private async answer(member: Member, request: OnDemandRequest): Promise<void> {
    const { port } = member;
    await this.options.onDemand(request);
    // A worker that took its place has asked nothing.
    if (member.port === port) port?.postMessage({ kind: 'on_demand_answer', request } satisfies ToWorker);
  }

  private onGeneration(member: Member, generation: number): void {
    member.generation = generation;
    member.serving = true;
    const oldest = Math.min(...this.members.map((other) => other.generation));
    if (oldest < 0) return;
    this.onReady?.();
    this.onReady = undefined;
    this.options.onGeneration(oldest);
  }

  private onHistograms(values: readonly HistogramInterval[]): void {
    const { histograms } = this;
    if (histograms === undefined) return;
    histograms.intervals.push(...values);
    histograms.waiting--;
    if (histograms.waiting === 0) histograms.done();
  }

  private onDrainedMember(member: Member): void {
    member.drained = true;
    if (this.members.every((other) => other.drained)) this.onDrained?.();
  }
}

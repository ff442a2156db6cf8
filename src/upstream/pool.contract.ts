/** What a pool promises, whatever its connections speak: the same tests run over HTTP/1 and HTTP/2, on real sockets. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { messageType } from '../api/registry.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { ClusterWord, clusterBase, makeWords } from '../snapshot/layout.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from './client_stream.ts';
import { Cluster } from './cluster.ts';
import type { ConnectionPool } from './connection_pool.ts';

/** A host that the suite can steer; requests are told apart by their path. */
export interface ContractHost {
  readonly port: number;
  /** Paths of requests that it has seen and not answered. */
  readonly open: readonly string[];
  answer(path: string, body: string): void;
  /** Ends every connection at once. */
  drop(): void;
  close(): Promise<void>;
}

export interface PoolSubject {
  /** E.g. `HTTP/2`. */
  readonly protocol: string;
  /** The cluster's fields that make its pools speak it. */
  readonly cluster: object;
  startHost(): Promise<ContractHost>;
}

const words = new Int32Array(makeWords());
const store = new ThreadStats(() => {});
let lastSlot = 0;

/** One request and what became of it. */
class Exchange implements PoolCallbacks {
  stream: ClientStream | undefined;
  pending: PendingStream | undefined;
  status = 0;
  body = '';
  done = false;
  failure: ResetReason | undefined;
  private readonly head: RequestHead;
  private readonly requestBody: string;

  constructor(pool: ConnectionPool, path: string, requestBody = '') {
    const method = requestBody === '' ? 'GET' : 'POST';
    const headers = new HeaderMap();
    this.head = { method, path, authority: 'host', scheme: 'http', protocol: 'HTTP/1.1', headers };
    this.requestBody = requestBody;
    this.pending = pool.newStream(this);
  }

  onPoolReady(stream: ClientStream): void {
    this.stream = stream;
    this.pending = undefined;
    const body = Buffer.from(this.requestBody);
    stream.sendHeaders(this.head, body.length === 0);
    if (body.length > 0) stream.sendData(body, 0, body.length, true);
  }

  onPoolFailure(reason: ResetReason): void {
    this.failure = reason;
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    this.status = head.status;
    this.done = endStream;
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.body += bytes.latin1Slice(start, end);
    this.done = endStream;
  }

  onResponseTrailers(): void {
    this.done = true;
  }

  onStreamReset(reason: ResetReason): void {
    this.failure = reason;
  }

  onInformational(): void {}
  onStreamBlocked(): void {}
  onStreamWritable(): void {}
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 4000;
  while (!holds()) {
    assert.ok(Date.now() < end, `${what}: did not come about in 4 s`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

export function poolContract(subject: PoolSubject): void {
  let host: ContractHost;
  before(async () => {
    host = await subject.startHost();
  });
  after(() => host?.close());

  const title = (text: string): string => `${subject.protocol}: ${text}`;

  function setUp(more: object = {}, common: object = {}): { cluster: Cluster; pool: ConnectionPool } {
    const slot = ++lastSlot;
    const json = {
      name: `${subject.protocol}-${slot}`,
      connectTimeout: '1s',
      ...subject.cluster,
      commonHttpProtocolOptions: common,
      ...more,
    };
    const message = fromJson(messageType('envoy.config.cluster.v3.Cluster'), json as never);
    const cluster = new Cluster(message as never, slot, { words, ledger: new Int32Array(words.length) }, store);
    const address = { ip: '127.0.0.1', port: host.port, text: `127.0.0.1:${host.port}` };
    cluster.updateHosts([{ clusterName: cluster.name, address, hostname: '', weight: 1, priority: 0, slot }]);
    const chosen = cluster.chooseHost()!;
    return { cluster, pool: cluster.poolOf(chosen, 0, 'HTTP/1.1') };
  }

  const stat = ({ stats }: Cluster, name: keyof typeof CLUSTER.slot): number => stats[CLUSTER.slot[name]];
  const seen = (path: string) => until(`request ${path}`, () => host.open.includes(path));

  /** Nothing is left: neither here nor in the words all workers share. */
  async function settles(cluster: Cluster, pool: ConnectionPool): Promise<void> {
    pool.drain();
    await until('an empty pool', () => pool.isEmpty);
    for (const gauge of ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active'] as const)
      assert.ok(stat(cluster, gauge) === 0, gauge);
    for (const gauge of ['cx_active', 'rq_active'] as const) assert.ok(pool.host.stats[HOST.slot[gauge]] === 0, gauge);
    const base = clusterBase(Number(cluster.name.split('-')[1]));
    for (const word of [ClusterWord.Connections, ClusterWord.Requests, ClusterWord.PendingRequests, ClusterWord.Pools])
      assert.equal(words[base + word], 0);
  }

  test(title('a request waits for the connection, the next one takes it'), async () => {
    const { cluster, pool } = setUp();
    const first = new Exchange(pool, '/first', 'abc');
    assert.notEqual(first.pending, undefined);
    assert.equal(stat(cluster, 'upstream_rq_pending_active'), 1);
    await seen('/first');
    assert.equal(first.stream!.protocol, subject.protocol);
    host.answer('/first', 'one');
    await until('answer', () => first.done);
    assert.deepEqual([first.status, first.body], [200, 'one']);
    const second = new Exchange(pool, '/second');
    assert.equal(second.pending, undefined, 'a stream at once');
    assert.equal(second.stream!.connectionId, first.stream!.connectionId);
    await seen('/second');
    host.answer('/second', 'two');
    await until('answer', () => second.done);
    assert.equal(stat(cluster, 'upstream_cx_total'), 1);
    assert.equal(stat(cluster, 'upstream_rq_total'), 2);
    await settles(cluster, pool);
  });

  test(title('one that waits can be cancelled, the connection is for the next'), async () => {
    const { cluster, pool } = setUp();
    const cancelled = new Exchange(pool, '/cancelled');
    cancelled.pending!.cancel();
    assert.equal(stat(cluster, 'upstream_rq_cancelled'), 1);
    const next = new Exchange(pool, '/next');
    await seen('/next');
    assert.equal(cancelled.stream, undefined);
    assert.equal(stat(cluster, 'upstream_cx_total'), 1);
    host.answer('/next', '');
    await until('answer', () => next.done);
    await settles(cluster, pool);
  });

  test(title('one under way can be cancelled and hears nothing more'), async () => {
    const { cluster, pool } = setUp();
    const cancelled = new Exchange(pool, '/under-way');
    await seen('/under-way');
    cancelled.stream!.cancel();
    await until('release', () => stat(cluster, 'upstream_rq_active') === 0);
    assert.equal(cancelled.failure, undefined);
    await settles(cluster, pool);
  });

  test(title('a host that goes away ends what is under way'), async () => {
    const { cluster, pool } = setUp();
    const lost = new Exchange(pool, '/lost');
    await seen('/lost');
    host.drop();
    await until('reset', () => lost.failure !== undefined);
    assert.equal(lost.failure, 'connection termination');
    assert.equal(stat(cluster, 'upstream_cx_destroy_remote_with_active_rq'), 1);
    await settles(cluster, pool);
  });

  test(title('a connection that cannot be had fails all who wait'), async () => {
    const { cluster, pool } = setUp({ upstreamBindConfig: { sourceAddress: { address: '192.0.2.1', portValue: 0 } } });
    const exchanges = [new Exchange(pool, '/1'), new Exchange(pool, '/2')];
    await until('failures', () => exchanges.every(({ failure }) => failure === 'local connection failure'));
    assert.equal(stat(cluster, 'upstream_rq_pending_failure_eject'), 2);
    await settles(cluster, pool);
  });

  test(title('limits of the breaker'), async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 2, maxRequests: 1 };
    const { cluster, pool } = setUp({ circuitBreakers: { thresholds: [limits] } });
    const exchanges = ['/a', '/b', '/c'].map((path) => new Exchange(pool, path));
    assert.equal(exchanges[2].failure, 'overflow');
    assert.equal(stat(cluster, 'upstream_rq_pending_overflow'), 1);
    await seen('/a');
    host.answer('/a', '');
    await until('both over', () =>
      exchanges.every(({ done, failure }) => done || failure !== undefined || host.open.includes('/b')),
    );
    if (host.open.includes('/b')) host.answer('/b', '');
    await until('both ended', () => exchanges.every(({ done, failure }) => done || failure === 'overflow'));
    assert.equal(stat(cluster, 'upstream_cx_total'), 1);
    await settles(cluster, pool);
  });

  test(title('max_requests_per_connection'), async () => {
    const { cluster, pool } = setUp({}, { maxRequestsPerConnection: 1 });
    for (const path of ['/m1', '/m2']) {
      const exchange = new Exchange(pool, path);
      await seen(path);
      host.answer(path, '');
      await until('answer', () => exchange.done);
    }
    await until('closed', () => stat(cluster, 'upstream_cx_active') === 0);
    assert.equal(stat(cluster, 'upstream_cx_total'), 2);
    assert.equal(stat(cluster, 'upstream_cx_max_requests'), 2);
    await settles(cluster, pool);
  });

  test(title('idle connections end, old ones after what they carry'), async () => {
    const idle = setUp({}, { idleTimeout: '0.05s' });
    const exchange = new Exchange(idle.pool, '/idle');
    await seen('/idle');
    host.answer('/idle', '');
    await until('answer', () => exchange.done);
    await until('idle timeout', () => stat(idle.cluster, 'upstream_cx_idle_timeout') === 1);
    await settles(idle.cluster, idle.pool);
    const aged = setUp({}, { maxConnectionDuration: '0.05s' });
    const long = new Exchange(aged.pool, '/long');
    await seen('/long');
    await until('age', () => stat(aged.cluster, 'upstream_cx_max_duration_reached') === 1);
    host.answer('/long', 'whole');
    await until('answer', () => long.done);
    assert.equal(long.body, 'whole');
    await settles(aged.cluster, aged.pool);
  });

  test(title('a pool that drains serves those who wait, then ends'), async () => {
    const { cluster, pool } = setUp();
    const late = new Exchange(pool, '/late');
    pool.drain();
    assert.equal(pool.isEmpty, false);
    await seen('/late');
    host.answer('/late', 'served');
    await until('answer', () => late.done);
    assert.equal(late.body, 'served');
    await settles(cluster, pool);
  });
}

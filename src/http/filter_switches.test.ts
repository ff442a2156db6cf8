/** Filters by route: switched on and off, and given configurations of their own (typed_per_filter_config). */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderMap } from '../../native-free/headers/header_map.ts';
import { RawClient, requestBytes } from '../../test/support/raw_client.ts';
import { messageType, registry } from '../api/registry.ts';
import { ipAddress } from '../common/address.ts';
import { setLogLevels } from '../common/log.ts';
import { ThreadStats } from '../common/stats/store.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import { Acceptor } from '../net/accept.ts';
import { compileRouteConfiguration } from '../router/route_table.ts';
import { type DecoderFilterCallbacks, type FilterMaker, HeadersStatus, type StreamFilter } from '../spi/http_filter.ts';
import type { WorkerContext } from '../spi/worker_context.ts';
import { compileConfig } from './config.ts';
import { ConnectionManager } from './connection_manager.ts';

setLogLevels('off', {});
const opened: Acceptor[] = [];
after(() => {
  for (const acceptor of opened) acceptor.close();
  // The thread's timers see that none of them runs any more, and let the process end.
  new Timer({ onTimer: () => {} }, 0).start(1);
});

/** Notes its name and its route's word on it in `seen`. */
class Note implements StreamFilter {
  private readonly name: string;
  private readonly seen: string[];
  private callbacks!: DecoderFilterCallbacks;
  constructor(name: string, seen: string[]) {
    this.name = name;
    this.seen = seen;
  }
  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }
  decodeHeaders(): HeadersStatus {
    const config = this.callbacks.perRouteConfig as { maxRequestBytes: number } | undefined;
    this.seen.push(config === undefined ? this.name : `${this.name}=${config.maxRequestBytes}`);
    return HeadersStatus.Continue;
  }
}

class Answer implements StreamFilter {
  private callbacks!: DecoderFilterCallbacks;
  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }
  decodeHeaders(): HeadersStatus {
    this.callbacks.encodeHeaders({ status: 204, protocol: 'HTTP/1.1', headers: new HeaderMap() }, true);
    return HeadersStatus.StopIteration;
  }
}

const seen: string[] = [];
const note = (name: string, disabled = false): FilterMaker => ({
  name,
  disabled,
  create: () => new Note(name, seen),
});
const type = (name: string): JsonObject => ({ '@type': `type.googleapis.com/${name}` });
const off = { ...type('envoy.config.route.v3.FilterConfig'), disabled: true };
const on = { ...type('envoy.config.route.v3.FilterConfig'), config: {} };
const size = (bytes: number): JsonObject => ({
  ...type('envoy.extensions.filters.http.buffer.v3.Buffer'),
  max_request_bytes: bytes,
});

const routes: JsonObject[] = [
  { match: { path: '/off' }, typedPerFilterConfig: { always: off } },
  { match: { path: '/on' }, typedPerFilterConfig: { wanted: on } },
  { match: { path: '/own' }, typedPerFilterConfig: { wanted: size(3), always: size(4) } },
  { match: { prefix: '/' } },
].map((route): JsonObject => ({ ...(route as unknown as JsonObject), directResponse: { status: 200 } }));

/** The names of the filters that a request for `path` passes. */
async function passed(path: string): Promise<string[]> {
  const context = {
    stats: new ThreadStats(() => {}),
    accessLoggers: () => [],
    serviceCluster: '',
    drain: { draining: false, healthFailed: false },
    compileRoutes: compileRouteConfiguration,
  } as unknown as WorkerContext;
  const message = fromJson(
    messageType('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    {
      statPrefix: 'test',
      routeConfig: { virtualHosts: [{ name: 'v', domains: ['*'], typedPerFilterConfig: { last: size(5) }, routes }] },
    },
    { registry },
  );
  const makers = [
    note('always'),
    note('wanted', true),
    note('last'),
    { name: 'router', disabled: false, create: () => new Answer() },
  ];
  const listener = { name: 'test', statPrefix: 'listener.test.', bufferLimit: 1000 };
  const config = compileConfig(message as never, context, listener as never, makers, new Map());
  const gone = Promise.withResolvers<void>();
  const acceptor = new Acceptor(
    { address: ipAddress('127.0.0.1', 0), reusePort: false, bufferLimit: 1000 },
    (connection) => {
      const address = connection.remoteAddress;
      const info = { id: connection.id, remoteAddress: address, directRemoteAddress: address } as ConnectionInfo;
      new ConnectionManager(config, connection, info, context.drain, gone.resolve);
    },
  );
  opened.push(acceptor);
  await new Promise<void>((resolve, reject) => acceptor.listen((error) => (error ? reject(error) : resolve())));
  seen.length = 0;
  const client = await RawClient.connect(acceptor.port);
  client.send(requestBytes(path));
  assert.equal((await client.response()).status, 204);
  client.destroy();
  await gone.promise;
  return [...seen];
}

test('a filter that is off by default needs a route that wants it', async () => {
  assert.deepEqual(await passed('/'), ['always', 'last=5']);
  assert.deepEqual(await passed('/on'), ['always', 'wanted', 'last=5']);
});

test('a route leaves a filter out', async () => {
  assert.deepEqual(await passed('/off'), ['last=5']);
});

test('a configuration of the route switches its filter on and reaches it', async () => {
  assert.deepEqual(await passed('/own'), ['always=4', 'wanted=3', 'last=5']);
});

/**
 * A hundred clients with nuncio's own subscriptions, simulated in this process, lose their control plane together: they must
 * not come back as a herd.
 */
import { create, fromJson } from '@bufbuild/protobuf';
import type { envoy } from '../../src/api/envoy_types.ts';
import { messageType, registry } from '../../src/api/registry.ts';
import { ipAddress } from '../../src/common/address.ts';
import { setLogLevels } from '../../src/common/log.ts';
import { CLUSTER } from '../../src/common/stats/layouts.ts';
import { ThreadStats } from '../../src/common/stats/store.ts';
import { resourceType } from '../../src/snapshot/layout.ts';
import { XdsSubscriptions } from '../../src/xds/subscription_factory.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { expect } from './context.ts';
import { type Scenario, scenario } from './scenario.ts';

const count = 100;
const downMs = 12_000;
/** Of a hundred clients, asking in the same tenth of a second: spread over the first half second there are 20 on average. */
const mostAtFirst = 60;
/** Later the spread is seconds. */
const mostLater = 25;

class Client {
  /** When it tried to connect. */
  readonly attempts: number[] = [];
  updates = 0;
  private readonly xds: XdsSubscriptions;

  constructor(port: number, delta: boolean) {
    const stats = new ThreadStats(() => {});
    const slots = stats.block(CLUSTER, 'cluster.xds.');
    const host = { address: ipAddress('127.0.0.1', port), tls: undefined, connectTimeout: 1000, stats: slots };
    const nextHost = () => {
      this.attempts.push(performance.now());
      return host;
    };
    this.xds = new XdsSubscriptions({
      planes: { nextHost },
      stats,
      node: create(messageType('envoy.config.core.v3.Node'), { id: 'storm', cluster: 'storm' } as never) as never,
      ads: parse('envoy.config.core.v3.ApiConfigSource', {
        api_type: delta ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      }),
      random: Math.random,
      onVersion: () => {},
      onIdentifier: () => {},
      readLegacy: () => [],
    });
    const source = parse<envoy.config.core.v3.ConfigSource>('envoy.config.core.v3.ConfigSource', { ads: {} });
    const took = () => {
      this.updates++;
      return [];
    };
    this.xds
      .subscribe(source, resourceType.cluster, 'cluster_manager.cds.', {
        onConfigUpdate: took,
        onDeltaUpdate: took,
        onConfigUpdateFailed: () => {},
      })
      .start(undefined);
  }

  stop(): void {
    this.xds.stop();
  }
}

function parse<T>(typeName: string, json: unknown): T {
  return fromJson(messageType(typeName), json as never, { registry }) as unknown as T;
}

export const reconnectStorm: Scenario = scenario('reconnect storm of 100 clients', async (setting) => {
  const { transport, plane } = setting;
  if (transport !== 'sotw' && transport !== 'delta') return 'not offered';
  setLogLevels('off', {});
  await setting.serve();
  const clients = Array.from({ length: count }, () => new Client(plane.grpc, transport === 'delta'));
  try {
    await waitFor('all clients', () => clients.every(({ updates }) => updates > 0), { withinMs: 10_000 });
    for (const client of clients) client.attempts.length = 0;
    const lost = performance.now();
    await plane.kill();
    await delay(downMs);
    const before = clients.map(({ updates }) => updates);
    const back = performance.now();
    await plane.start();
    // Another version than before: each has something to hear.
    await setting.serveAgain();
    const heard = () => clients.every(({ updates }, i) => updates > before[i]);
    await waitFor('all clients again', heard, { withinMs: 40_000, everyMs: 50 });
    const again = performance.now() - back;
    const attempts = clients.flatMap((client) => client.attempts).sort((a, b) => a - b);
    const first = mostIn(attempts.filter((at) => at < lost + 500));
    const later = mostIn(attempts.filter((at) => at >= lost + 1000));
    expect(first <= mostAtFirst, `${first} attempts within 100 ms right after the loss`);
    expect(later <= mostLater, `${later} attempts within 100 ms later on`);
    const each = attempts.filter((at) => at < back).length / count;
    const seen = await setting.nothingLost();
    return (
      `${each.toFixed(1)} attempts a client in ${downMs / 1000} s without it, at most ${first} of all within 100 ms at first, ` +
      `${later} later; all back ${(again / 1000).toFixed(1)} s after it; ${seen.answered} requests`
    );
  } finally {
    for (const client of clients) client.stop();
  }
});

/** The most in any tenth of a second; `times` in order. */
function mostIn(times: readonly number[]): number {
  let most = 0;
  let begin = 0;
  for (let end = 0; end < times.length; end++) {
    while (times[end] - times[begin] > 100) begin++;
    most = Math.max(most, end - begin + 1);
  }
  return most;
}

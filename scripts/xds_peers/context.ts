/** What every scenario starts from: a control plane, a proxy on it, upstreams, and load that must lose nothing. */
import { type AddressInfo, createServer } from 'node:net';
import type { Json } from '../../test/support/bootstrap.ts';
import { nuncioCommand, type ProxyOptions, type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { request } from '../../test/support/raw_client.ts';
import { waitFor } from '../../test/support/wait_for.ts';
import { GoPlane, type PlaneOptions } from './go_plane.ts';
import { assignment, bootstrapFor, edsCluster, listener, routes, type Transport } from './resources.ts';
import { type Seen, Traffic } from './traffic.ts';

export class ScenarioFailed extends Error {}

export function expect(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new ScenarioFailed(sentence);
}

/** The proxy under test: this repository's, or Envoy for comparison. */
export const commands: Readonly<Record<string, readonly string[]>> = {
  nuncio: nuncioCommand,
  envoy: [process.env['ENVOY_BIN'] ?? 'envoy', '-c', '{config}', '--use-dynamic-base-id'],
};

export interface SettingOptions {
  readonly transport: Transport;
  readonly proxy: string;
  readonly concurrency: number;
}

export class Setting {
  readonly transport: Transport;
  readonly traffic = new Traffic();
  readonly plane: GoPlane;
  proxy!: RunningProxy;
  /** Of the main listener. */
  port = 0;
  blue = 0;
  green = 0;
  private readonly options: SettingOptions;
  private version = 0;

  constructor(options: SettingOptions, plane: PlaneOptions = {}) {
    this.options = options;
    this.transport = options.transport;
    this.plane = new GoPlane({ ads: options.transport === 'sotw' || options.transport === 'delta', ...plane });
  }

  async start(): Promise<void> {
    await this.plane.start();
    [this.blue, this.green] = await Promise.all([this.traffic.upstream('blue'), this.traffic.upstream('green')]);
    this.port = await freePort();
  }

  /** Clusters `a` (blue) and `b` (green), and the main listener with fetched routes to `a`; then load on it. */
  async serve(more: ProxyOptions = {}): Promise<void> {
    await this.serveAgain();
    await this.startProxy(undefined, more);
    await this.serves(this.port, 'blue');
    await this.traffic.take();
    this.traffic.load(this.port);
  }

  /** The same as another version, e.g. by a control plane that was restarted and knows nothing. */
  async serveAgain(): Promise<void> {
    await this.set({
      clusters: [edsCluster(this.transport, 'a'), edsCluster(this.transport, 'b')],
      endpoints: [assignment('a', [this.blue]), assignment('b', [this.green])],
      listeners: [listener(this.transport, 'main', this.port)],
      routes: [routes('routes', 'a')],
    });
  }

  async startProxy(config: Json = bootstrapFor(this.transport, this.plane), more: ProxyOptions = {}): Promise<void> {
    const { proxy, concurrency } = this.options;
    this.proxy = await startProxy(config, { command: commands[proxy], concurrency, logLevel: 'warning', ...more });
  }

  /** Serves these resources from now on; resolves with the version they have. */
  async set(resources: Record<string, Json[]>, ttl?: number): Promise<string> {
    this.version++;
    const version = `v${this.version}`;
    await this.plane.set({ version, resources, ...(ttl === undefined ? {} : { ttl }) });
    return version;
  }

  async body(port: number): Promise<string> {
    const answer = await request(port, '/').catch(() => undefined);
    return answer?.status === 200 ? answer.body.toString() : `${answer?.status ?? 'refused'}`;
  }

  /** Milliseconds until the answers say `name`. */
  async serves(port: number, name: string): Promise<number> {
    const begin = performance.now();
    await waitFor(`${name} on ${port}`, async () => (await this.body(port)) === name, { withinMs: 15_000 });
    return performance.now() - begin;
  }

  /** Ends the load: nothing may have failed. */
  async nothingLost(): Promise<Seen> {
    const seen = await this.traffic.take();
    expect(seen.failures.size === 0, `failed: ${[...seen.failures].map(([why, n]) => `${n} × ${why}`).join(', ')}`);
    expect(seen.answered > 0, 'no request was answered');
    return seen;
  }

  async stop(): Promise<void> {
    this.traffic.stopLoad();
    await (this.proxy as RunningProxy | undefined)?.stop();
    await this.plane.kill();
    await this.traffic.close();
  }
}

export function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}

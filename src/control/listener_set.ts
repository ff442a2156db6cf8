/** The listeners of the process on the main thread: names, ports, and whether the addresses are free. */
import { createServer } from 'node:net';
import { clone } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { addressOfMessage } from '../common/address.ts';
import { LISTENER_MANAGER } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';

type ListenerMessage = envoy.config.listener.v3.Listener;

export interface KnownListener {
  readonly name: string;
  readonly address: Address;
  readonly message: ListenerMessage;
}

/** An address that cannot be listened on. */
export interface BindError {
  /** Index in static_resources.listeners. */
  readonly index: number;
  readonly reason: string;
}

export class ListenerSet {
  private readonly publisher: SnapshotPublisher;
  private readonly stats: Float64Array;
  private readonly listeners: KnownListener[] = [];

  constructor(publisher: SnapshotPublisher, stats: StatsStore) {
    this.publisher = publisher;
    this.stats = stats.block(LISTENER_MANAGER, 'listener_manager.');
  }

  /**
   * Finds out ports asked for as 0 and publishes; every address that is taken is reported. With `restartEpoch` above 0 ports
   * are shared with the process that serves now: trying them would take connections meant for it.
   */
  async start(messages: readonly ListenerMessage[], concurrency: number, restartEpoch: number): Promise<BindError[]> {
    const errors: BindError[] = [];
    for (let index = 0; index < messages.length; index++) {
      const message = clone(
        messageType('envoy.config.listener.v3.Listener') as never,
        messages[index] as never,
      ) as ListenerMessage;
      const asked = addressOfMessage(message.address);
      const shared = restartEpoch > 0 && asked.port !== 0;
      const bound = shared ? { port: asked.port, error: '' } : await probe(asked);
      if (bound.error !== '') {
        errors.push({ index, reason: `cannot bind '${asked.text}': ${bound.error}` });
        continue;
      }
      if (message.address?.address.case === 'socketAddress') {
        message.address.address.value.portSpecifier = { case: 'portValue', value: bound.port };
      }
      const name = message.name || asked.text;
      const address = { ...asked, port: bound.port, text: asked.text.replace(/\d+$/, String(bound.port)) };
      this.listeners.push({ name, address, message });
      this.publisher.setListener(message, name);
      this.stats[LISTENER_MANAGER.slot.listener_added]++;
      this.stats[LISTENER_MANAGER.slot.listener_create_success] += concurrency;
      this.stats[LISTENER_MANAGER.slot.total_listeners_active]++;
    }
    return errors;
  }

  all(): readonly KnownListener[] {
    return this.listeners;
  }

  /** Gauges when the workers serve. */
  onWorkersStarted(): void {
    this.stats[LISTENER_MANAGER.slot.workers_started] = 1;
  }
}

/**
 * Binds once without SO_REUSEPORT: with it the workers' own binds would succeed beside another process of the same user
 * and share its connections.
 */
function probe(address: Address): Promise<{ port: number; error: string }> {
  const { promise, resolve } = Promise.withResolvers<{ port: number; error: string }>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => {
    resolve({ port: 0, error: bindErrors[error.code ?? ''] ?? error.message });
  });
  server.listen({ host: address.ip, port: address.port, exclusive: true }, () => {
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    server.close(() => resolve({ port, error: '' }));
  });
  return promise;
}

const bindErrors: Record<string, string> = {
  EADDRINUSE: 'Address already in use',
  EACCES: 'Permission denied',
  EADDRNOTAVAIL: 'Cannot assign requested address',
};

/** The listeners of the process on the main thread: names, ports, and whether the addresses are free. */
import { createServer, type ListenOptions } from 'node:net';
import { clone } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { addressOfMessage, ipAddress, isPipe } from '../common/address.ts';
import { LISTENER_MANAGER } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import { UnixPath } from '../common/unix_path.ts';
import { resourceType } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';

type ListenerMessage = envoy.config.listener.v3.Listener;

/** envoy.config.core.v3.TrafficDirection. */
const inbound = 1;

export interface KnownListener {
  readonly name: string;
  readonly address: Address;
  readonly additionalAddresses: readonly Address[];
  /** As configured: with the port 0 that was asked for. */
  readonly message: ListenerMessage;
  stopped: boolean;
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
      const message = messages[index];
      const copy = clone(messageType(resourceType.listener) as never, message as never) as ListenerMessage;
      const asked = addressOfMessage(message.address);
      const slots = [copy, ...copy.additionalAddresses];
      const addresses: Address[] = [];
      for (const slot of slots) {
        const bound = await this.bind(slot.address, message, restartEpoch);
        if (typeof bound === 'string') errors.push({ index, reason: bound });
        else addresses.push(bound);
      }
      if (addresses.length < slots.length) continue;
      const [address, ...additionalAddresses] = addresses;
      const name = message.name || asked.text;
      // Statistics keep the address that was asked for, as in Envoy, also where it had port 0.
      copy.statPrefix ||= asked.text;
      this.listeners.push({ name, address, additionalAddresses, message, stopped: false });
      this.publisher.setListener(copy, name);
      this.stats[LISTENER_MANAGER.slot.listener_added]++;
      this.stats[LISTENER_MANAGER.slot.listener_create_success] += concurrency;
      this.stats[LISTENER_MANAGER.slot.total_listeners_active]++;
      this.stats[LISTENER_MANAGER.slot.total_listeners_warming] += 0;
    }
    return errors;
  }

  /** Counts the listeners that stop accepting. */
  onStopped(inboundOnly: boolean): void {
    for (const listener of this.listeners) {
      if (listener.stopped || (inboundOnly && listener.message.trafficDirection !== inbound)) continue;
      listener.stopped = true;
      this.stats[LISTENER_MANAGER.slot.listener_stopped]++;
    }
  }

  /** Where an address listens in the end, written into its message too; or why it cannot. */
  private async bind(
    message: envoy.config.core.v3.Address | undefined,
    listener: ListenerMessage,
    restartEpoch: number,
  ): Promise<Address | string> {
    const asked = addressOfMessage(message);
    const shared = restartEpoch > 0 && asked.port !== 0;
    if (listener.bindToPort === false || shared) return asked;
    const bound = await (isPipe(asked) ? probePath(asked) : probe(asked));
    if (bound.error !== '') return `cannot bind '${asked.text}': ${bound.error}`;
    if (message?.address.case === 'socketAddress') {
      message.address.value.portSpecifier = { case: 'portValue', value: bound.port };
      return ipAddress(asked.ip, bound.port);
    }
    return asked;
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
function probe(address: Address): Promise<Probe> {
  return tryListening({ host: address.ip, port: address.port, exclusive: true });
}

/** A UNIX socket takes the place of what is there, so only its folder and its name can be wrong. */
function probePath({ text }: Address): Promise<Probe> {
  return tryListening({ path: new UnixPath(text).bind });
}

interface Probe {
  readonly port: number;
  readonly error: string;
}

function tryListening(options: ListenOptions): Promise<Probe> {
  const { promise, resolve } = Promise.withResolvers<Probe>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => {
    resolve({ port: 0, error: bindErrors[error.code ?? ''] ?? error.message });
  });
  server.listen(options, () => {
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
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  ENAMETOOLONG: 'File name too long',
  EINVAL: 'Invalid argument',
};

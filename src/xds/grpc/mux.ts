/** Control path, step 3: the watches of several types on one gRPC stream: what both protocols have in common. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { type AnyMessage, decode, messageType } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import { LargeResources } from '../decode.ts';
import type { DecodedResource } from '../subscription.ts';
import { TimeToLive } from '../time_to_live.ts';
import { typeNameFor } from '../type_urls.ts';
import type { Watch, WatchOwner } from '../watch.ts';
import type { StreamProtocol } from './control_stream.ts';

const log = logger('config');

/** grpc status INTERNAL, which Envoy gives every refusal. */
const internal = 13;

export interface MuxOptions {
  readonly node: envoy.config.core.v3.Node;
  readonly nodeOnFirstMessageOnly: boolean;
  readonly apiVersion: 'V2' | 'V3';
  /** Tells the stream that something waits to be sent. */
  readonly kick: () => void;
  /** What the control plane calls itself. */
  readonly onIdentifier: (identifier: string) => void;
}

/** One type on a stream. */
export class WatchedType {
  readonly typeName: string;
  readonly watches = new Set<Watch>();
  /** What was accepted last by name, where names are asked for: control planes do not send it again to whoever asks a second time. */
  readonly held = new Map<string, DecodedResource>();
  /** Responses are taken one after the other: the next one waits until the last is applied. */
  queue: Promise<void> = Promise.resolve();
  readonly ttl: TimeToLive;
  readonly large = new LargeResources();

  constructor(typeName: string, onExpired: (name: string) => void) {
    this.typeName = typeName;
    this.ttl = new TimeToLive(onExpired);
  }
}

export abstract class Mux<T extends WatchedType, Response extends { typeUrl: string }>
  implements StreamProtocol, WatchOwner
{
  protected readonly options: MuxOptions;
  protected readonly types = new Map<string, T>();
  /** Types with something to say, in the order it came up. */
  protected readonly waiting = new Set<T>();
  protected open = false;
  /** Which stream it is: the answer to a response of an earlier one is not for this one. */
  protected epoch = 0;
  private firstSent = false;
  private readonly responseType: string;

  constructor(options: MuxOptions, responseType: string) {
    this.options = options;
    this.responseType = responseType;
  }

  protected abstract makeType(typeName: string): T;
  /** A stream has opened that knows nothing of the type. */
  protected abstract resetType(type: T): void;
  /** What is held already goes to a watch that comes later. */
  protected abstract giveHeld(type: T, watch: Watch): void;
  protected abstract take(type: T, response: Response, epoch: number): Promise<void>;
  abstract nextRequest(): Uint8Array | undefined;

  // === subscriptions ===

  onWatchStarted(watch: Watch): void {
    const type = this.types.get(watch.typeName) ?? this.makeType(watch.typeName);
    this.types.set(watch.typeName, type);
    type.watches.add(watch);
    this.giveHeld(type, watch);
    this.request(type);
  }

  onNamesChanged(watch: Watch): void {
    const type = this.types.get(watch.typeName);
    if (type !== undefined) this.request(type);
  }

  onWatchStopped(watch: Watch): void {
    const type = this.types.get(watch.typeName);
    if (type?.watches.delete(watch)) this.request(type);
  }

  // === StreamProtocol ===

  onStreamOpen(): void {
    this.open = true;
    this.epoch++;
    this.firstSent = false;
    for (const type of this.types.values()) {
      this.resetType(type);
      if (type.watches.size > 0) this.waiting.add(type);
    }
  }

  onStreamClosed(): void {
    this.open = false;
    this.waiting.clear();
    for (const type of this.types.values()) for (const watch of type.watches) watch.fail('gRPC stream closed');
  }

  get pending(): number {
    return this.waiting.size;
  }

  onMessage(bytes: Uint8Array): void {
    const response = this.read(bytes);
    const type = this.types.get(typeNameFor(response.typeUrl));
    if (type === undefined || !this.wantsResponse(type)) {
      log.warn(`ignoring ${response.typeUrl}: nothing of this type was asked for`);
      return;
    }
    const { epoch } = this;
    type.queue = type.queue.then(() => this.take(type, response, epoch));
  }

  private read(bytes: Uint8Array): Response {
    const { responseType } = this;
    try {
      return decode(responseType, bytes) as unknown as Response;
    } catch (error) {
      const name = responseType.slice(responseType.lastIndexOf('.') + 1);
      throw new Error(`a response of the control plane is no ${name}: ${(error as Error).message}`);
    }
  }

  stop(): void {
    for (const type of this.types.values()) type.ttl.clearAll();
  }

  protected wantsResponse(_type: T): boolean {
    return true;
  }

  protected request(type: T): void {
    if (!this.open) return;
    this.waiting.add(type);
    this.options.kick();
  }

  /** The node for the next request; undefined when this stream has told it and that is enough. */
  protected nodeToTell(): envoy.config.core.v3.Node | undefined {
    const { node, nodeOnFirstMessageOnly } = this.options;
    const told = this.firstSent && nodeOnFirstMessageOnly;
    this.firstSent = true;
    return told ? undefined : node;
  }
}

/** The error_detail of a NACK. */
export function statusOf(refused: string | undefined): AnyMessage | undefined {
  if (refused === undefined) return undefined;
  return create(messageType('google.rpc.Status'), { code: internal, message: refused } as never) as AnyMessage;
}

/** What a watch that names resources finds among those that are held. */
export function heldFor(type: WatchedType, watch: Watch): DecodedResource[] {
  return [...(watch.names ?? [])].flatMap((name) => type.held.get(name) ?? []);
}

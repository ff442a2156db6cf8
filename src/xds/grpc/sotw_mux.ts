/** Control path, step 3: state of the world over one gRPC stream: requests, responses, ACK and NACK for each type on it. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { decode, encode, messageType } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import { Slices } from '../../common/slices.ts';
import { BackOff } from '../back_off.ts';
import { decodeInSlices, KnownMessages, rejectionText, sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';
import { TimeToLive } from '../time_to_live.ts';
import { typeNameFor, typeUrlFor } from '../type_urls.ts';
import type { Watch, WatchOwner } from '../watch.ts';
import type { StreamProtocol } from './control_stream.ts';

const log = logger('config');

type Request = envoy.service.discovery.v3.DiscoveryRequest;
type Response = envoy.service.discovery.v3.DiscoveryResponse;

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

class TypeState {
  readonly typeName: string;
  readonly watches = new Set<Watch>();
  version = '';
  nonce = '';
  /** What the next request reports of the last response; undefined: nothing. */
  refused: string | undefined;
  /** The version that was refused last, and how often in a row. */
  refusedVersion = '';
  readonly known = new KnownMessages();
  /** What was accepted last by name: control planes send nothing again to whoever asks a second time for the same name. */
  readonly held = new Map<string, DecodedResource>();
  /** Of those that are good for a time only: a response that renews one beside others has not taken it away. */
  readonly mortal = new Map<string, DecodedResource>();
  readonly refusals = new BackOff(200, 10_000, () => 1);
  /** A refusal that waits to be told. */
  refusalTimer: NodeJS.Timeout | undefined;
  /** Responses are taken one after the other: the next one waits until the last is applied. */
  queue: Promise<void> = Promise.resolve();
  readonly ttl: TimeToLive;

  constructor(typeName: string, onExpired: (name: string) => void) {
    this.typeName = typeName;
    this.ttl = new TimeToLive(onExpired);
  }

  /** Undefined: everything there is. */
  get names(): string[] | undefined {
    const names = new Set<string>();
    for (const watch of this.watches) {
      if (watch.names === undefined) return undefined;
      for (const name of watch.names) names.add(name);
    }
    return [...names];
  }
}

export class SotwMux implements StreamProtocol, WatchOwner {
  private readonly options: MuxOptions;
  private readonly types = new Map<string, TypeState>();
  /** Types with something to say, in the order it came up. */
  private readonly waiting = new Set<TypeState>();
  private open = false;
  /** Which stream it is: the answer to a response of an earlier one is not for this one. */
  private epoch = 0;
  private firstSent = false;

  constructor(options: MuxOptions) {
    this.options = options;
  }

  // === subscriptions ===

  onWatchStarted(watch: Watch): void {
    let type = this.types.get(watch.typeName);
    if (type === undefined) {
      const added = new TypeState(watch.typeName, (name) => this.onExpired(added, name));
      type = added;
      this.types.set(watch.typeName, type);
    }
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
    if (type === undefined || !type.watches.delete(watch)) return;
    this.request(type);
  }

  // === StreamProtocol ===

  onStreamOpen(): void {
    this.open = true;
    this.epoch++;
    this.firstSent = false;
    for (const type of this.types.values()) {
      clearTimeout(type.refusalTimer);
      type.nonce = '';
      type.refused = undefined;
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

  nextRequest(): Uint8Array | undefined {
    for (const type of this.waiting) {
      this.waiting.delete(type);
      return this.requestOf(type);
    }
    return undefined;
  }

  onMessage(bytes: Uint8Array): void {
    let response: Response;
    try {
      response = decode('envoy.service.discovery.v3.DiscoveryResponse', bytes);
    } catch (error) {
      log.warn(`a response of the control plane is no DiscoveryResponse: ${(error as Error).message}`);
      return;
    }
    const type = this.types.get(typeNameFor(response.typeUrl));
    if (type === undefined || type.watches.size === 0) {
      log.warn(`ignoring ${response.typeUrl}: nothing of this type was asked for`);
      return;
    }
    const { epoch } = this;
    type.queue = type.queue.then(() => this.take(type, response, epoch));
  }

  stop(): void {
    for (const type of this.types.values()) {
      type.ttl.clearAll();
      clearTimeout(type.refusalTimer);
    }
  }

  // === inside ===

  private request(type: TypeState): void {
    if (!this.open) return;
    this.waiting.add(type);
    this.options.kick();
  }

  private async take(type: TypeState, response: Response, epoch: number): Promise<void> {
    const { versionInfo: version, nonce } = response;
    if (response.controlPlane !== undefined) this.options.onIdentifier(response.controlPlane.identifier);
    const { resources, heartbeats, rejections } = await decodeInSlices(
      response.resources,
      type.typeName,
      version,
      type.known,
    );
    for (const { name, ttl } of heartbeats) type.ttl.set(name, ttl);
    let refused: readonly Rejection[] = rejections;
    if (rejections.length > 0) {
      const text = rejectionText(rejections);
      for (const watch of type.watches) watch.refuse(text);
    } else if (resources.length > 0 || heartbeats.length === 0) {
      if (type.names === undefined) resources.push(...heartbeats.flatMap(({ name }) => type.mortal.get(name) ?? []));
      refused = await this.deliver(type, resources, version);
    }
    const text = refused.length > 0 ? rejectionText(refused) : undefined;
    if (text === undefined) {
      type.version = version;
      type.refusedVersion = '';
      this.remember(type, resources);
    }
    if (epoch !== this.epoch) return;
    type.nonce = nonce;
    type.refused = text;
    if (text === undefined) this.request(type);
    else this.refuse(type, version, text);
  }

  /** Control planes send what is refused again at once, and refusing it at once would go round at full speed. */
  private refuse(type: TypeState, version: string, text: string): void {
    if (type.refusedVersion !== version) {
      type.refusedVersion = version;
      type.refusals.reset();
      log.warn(`gRPC config for ${type.typeName} rejected: ${text}`);
      this.request(type);
      return;
    }
    clearTimeout(type.refusalTimer);
    type.refusalTimer = setTimeout(() => this.request(type), type.refusals.next());
  }

  private remember(type: TypeState, resources: readonly DecodedResource[]): void {
    const wanted = new Set(type.names);
    for (const resource of resources) {
      type.ttl.set(resource.name, resource.ttl);
      if (resource.ttl > 0) type.mortal.set(resource.name, resource);
      else type.mortal.delete(resource.name);
      if (wanted.has(resource.name)) type.held.set(resource.name, resource);
    }
    for (const name of type.held.keys()) if (!wanted.has(name)) type.held.delete(name);
  }

  /** A cluster that takes the place of one of its name asks for the endpoints that one has. */
  private giveHeld(type: TypeState, watch: Watch): void {
    const resources = [...(watch.names ?? [])].flatMap((name) => type.held.get(name) ?? []);
    if (resources.length === 0) return;
    type.queue = type.queue.then(async () => void (await watch.deliver(resources, type.version)));
  }

  /** Whoever asked for everything gets every response; the others only what they named, and nothing when there is none. */
  private async deliver(type: TypeState, resources: DecodedResource[], version: string): Promise<Rejection[]> {
    const byName = new Map(resources.map((resource) => [resource.name, resource]));
    const outcomes: Promise<Rejection[]>[] = [];
    const slices = new Slices(sliceTime);
    for (const watch of [...type.watches]) {
      if (slices.over) await slices.next();
      if (watch.names === undefined) {
        outcomes.push(watch.deliver(resources, version));
        continue;
      }
      const wanted: DecodedResource[] = [];
      for (const name of watch.names) {
        const resource = byName.get(name);
        if (resource !== undefined) wanted.push(resource);
      }
      if (wanted.length > 0) outcomes.push(watch.deliver(wanted, version));
    }
    return (await Promise.all(outcomes)).flat();
  }

  private onExpired(type: TypeState, name: string): void {
    type.held.delete(name);
    type.mortal.delete(name);
    for (const watch of type.watches) if (watch.wants(name)) void watch.deliverDelta([], [name], type.version);
  }

  private requestOf(type: TypeState): Uint8Array {
    const { apiVersion, node, nodeOnFirstMessageOnly } = this.options;
    const withNode = !this.firstSent || !nodeOnFirstMessageOnly;
    this.firstSent = true;
    const message = create(messageType('envoy.service.discovery.v3.DiscoveryRequest'), {
      versionInfo: type.version,
      node: withNode ? node : undefined,
      resourceNames: type.names ?? [],
      typeUrl: typeUrlFor(type.typeName, apiVersion),
      responseNonce: type.nonce,
      errorDetail: statusOf(type.refused),
    } as never) as unknown as Request;
    type.refused = undefined;
    return encode('envoy.service.discovery.v3.DiscoveryRequest', message);
  }
}

/** The error_detail of a NACK. */
export function statusOf(refused: string | undefined): unknown {
  if (refused === undefined) return undefined;
  return create(messageType('google.rpc.Status'), { code: internal, message: refused } as never);
}

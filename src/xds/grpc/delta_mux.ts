/** Control path, step 3: delta over one gRPC stream: names subscribed and given up, resources added and removed, ACK and NACK. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { encode, messageType } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import { Slices } from '../../common/slices.ts';
import { decodeDelta, rejectionText, sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';
import { typeUrlFor } from '../type_urls.ts';
import type { Watch } from '../watch.ts';
import { heldFor, Mux, type MuxOptions, statusOf, WatchedType } from './mux.ts';

const log = logger('config');

type Response = envoy.service.discovery.v3.DeltaDiscoveryResponse;

interface Ack {
  readonly nonce: string;
  readonly refused: string | undefined;
}

class DeltaType extends WatchedType {
  /** Name → version of what we hold: told to a control plane that we reach anew, so that it sends only the difference. */
  readonly versions = new Map<string, string>();
  /** What this stream knows that we want. */
  readonly told = new Set<string>();
  readonly acks: Ack[] = [];
  firstSent = false;

  get wildcard(): boolean {
    for (const watch of this.watches) if (watch.names === undefined) return true;
    return false;
  }

  get names(): Set<string> {
    const names = new Set<string>();
    for (const watch of this.watches) for (const name of watch.names ?? []) names.add(name);
    return names;
  }
}

export class DeltaMux extends Mux<DeltaType, Response> {
  constructor(options: MuxOptions) {
    super(options, 'envoy.service.discovery.v3.DeltaDiscoveryResponse');
  }

  nextRequest(): Uint8Array | undefined {
    for (const type of this.waiting) {
      const request = this.requestOf(type);
      if (type.acks.length === 0) this.waiting.delete(type);
      if (request !== undefined) return request;
      this.waiting.delete(type);
    }
    return undefined;
  }

  protected makeType(typeName: string): DeltaType {
    const type: DeltaType = new DeltaType(typeName, (name) => this.onExpired(type, name));
    return type;
  }

  protected resetType(type: DeltaType): void {
    type.told.clear();
    type.acks.length = 0;
    type.firstSent = false;
  }

  protected async take(type: DeltaType, response: Response, epoch: number): Promise<void> {
    const { systemVersionInfo: version, nonce } = response;
    if (response.controlPlane !== undefined) this.options.onIdentifier(response.controlPlane.identifier);
    const decoded = await decodeDelta(response.resources, type.typeName, version, type.large);
    const { resources, heartbeats, rejections } = decoded;
    const removed = [...response.removedResources, ...decoded.absent];
    for (const { name, ttl } of heartbeats) type.ttl.set(name, ttl);
    let refused: readonly Rejection[] = rejections;
    if (rejections.length > 0) {
      const text = rejectionText(rejections);
      for (const watch of type.watches) watch.refuse(text);
    } else refused = await this.deliver(type, resources, removed, version);
    if (refused.length === 0) this.remember(type, resources, removed);
    else log.warn(`delta config for ${type.typeName} rejected: ${rejectionText(refused)}`);
    if (!this.open || epoch !== this.epoch) return;
    type.acks.push({ nonce, refused: refused.length > 0 ? rejectionText(refused) : undefined });
    this.request(type);
  }

  private remember(type: DeltaType, resources: readonly DecodedResource[], removed: readonly string[]): void {
    const wanted = type.names;
    for (const resource of resources) {
      const { name, version, ttl } = resource;
      type.versions.set(name, version);
      type.ttl.set(name, ttl);
      if (wanted.has(name)) type.held.set(name, resource);
    }
    for (const name of removed) {
      type.versions.delete(name);
      type.held.delete(name);
      type.ttl.clear(name);
    }
  }

  /** A cluster that takes the place of one of its name asks for the endpoints that one has. */
  protected giveHeld(type: DeltaType, watch: Watch): void {
    const resources = heldFor(type, watch);
    if (resources.length === 0) return;
    type.queue = type.queue.then(async () => void (await watch.deliverDelta(resources, [], '')));
  }

  private async deliver(
    type: DeltaType,
    resources: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> {
    const byName = new Map(resources.map((resource) => [resource.name, resource]));
    const gone = new Set(removed);
    const outcomes: Promise<Rejection[]>[] = [];
    const slices = new Slices(sliceTime);
    for (const watch of [...type.watches]) {
      if (slices.over) await slices.next();
      if (watch.names === undefined) {
        outcomes.push(watch.deliverDelta(resources, removed, version));
        continue;
      }
      const added: DecodedResource[] = [];
      const lost: string[] = [];
      for (const name of watch.names) {
        const resource = byName.get(name);
        if (resource !== undefined) added.push(resource);
        else if (gone.has(name)) lost.push(name);
      }
      if (added.length + lost.length > 0) outcomes.push(watch.deliverDelta(added, lost, version));
    }
    return (await Promise.all(outcomes)).flat();
  }

  private onExpired(type: DeltaType, name: string): void {
    type.versions.delete(name);
    type.held.delete(name);
    for (const watch of type.watches) if (watch.wants(name)) void watch.deliverDelta([], [name], '');
  }

  /** What there is to say of a type in one message: an ACK or NACK, and changed wishes; undefined: nothing. */
  private requestOf(type: DeltaType): Uint8Array | undefined {
    const ack = type.acks.shift();
    const wanted = type.names;
    const subscribe = [...wanted].filter((name) => !type.told.has(name));
    const unsubscribe = [...type.told].filter((name) => !wanted.has(name));
    const first = !type.firstSent;
    // Without watches and without a word on this stream there is nothing to ask for.
    if (first && type.watches.size === 0) return undefined;
    if (!first && ack === undefined && subscribe.length + unsubscribe.length === 0) return undefined;
    type.firstSent = true;
    for (const name of subscribe) type.told.add(name);
    for (const name of unsubscribe) {
      type.told.delete(name);
      type.versions.delete(name);
      type.held.delete(name);
    }
    // Everything there is: the first request names nothing; beside other names the wish is spelt `*`.
    if (first && type.wildcard && subscribe.length > 0) subscribe.push('*');
    const message = create(messageType('envoy.service.discovery.v3.DeltaDiscoveryRequest'), {
      node: this.nodeToTell(),
      typeUrl: typeUrlFor(type.typeName, this.options.apiVersion),
      resourceNamesSubscribe: subscribe,
      resourceNamesUnsubscribe: unsubscribe,
      initialResourceVersions: first ? this.heldVersions(type, wanted) : {},
      responseNonce: ack?.nonce ?? '',
      errorDetail: statusOf(ack?.refused),
    } as never);
    return encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', message as never);
  }

  private heldVersions(type: DeltaType, wanted: ReadonlySet<string>): Record<string, string> {
    const { wildcard } = type;
    return Object.fromEntries([...type.versions].filter(([name]) => wildcard || wanted.has(name)));
  }
}

/** Control path, step 3: state of the world over one gRPC stream: requests, responses, ACK and NACK for each type on it. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { encode, messageType } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import { Slices } from '../../common/slices.ts';
import { BackOff } from '../back_off.ts';
import { decodeInSlices, KnownMessages, rejectionText, sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';
import { typeUrlFor } from '../type_urls.ts';
import type { Watch } from '../watch.ts';
import { heldFor, Mux, type MuxOptions, statusOf, WatchedType } from './mux.ts';

const log = logger('config');

type Request = envoy.service.discovery.v3.DiscoveryRequest;
type Response = envoy.service.discovery.v3.DiscoveryResponse;

class SotwType extends WatchedType {
  version = '';
  nonce = '';
  /** What the next request reports of the last response; undefined: nothing. */
  refused: string | undefined;
  /** The version that was refused last, and how often in a row. */
  refusedVersion = '';
  readonly known = new KnownMessages();
  /** Of those held that are good for a time only: a response that renews one beside others has not taken it away. */
  readonly mortal = new Map<string, DecodedResource>();
  readonly refusals = new BackOff(200, 10_000, () => 1);
  /** A refusal that waits to be told. */
  refusalTimer: NodeJS.Timeout | undefined;

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

export class SotwMux extends Mux<SotwType, Response> {
  constructor(options: MuxOptions) {
    super(options, 'envoy.service.discovery.v3.DiscoveryResponse');
  }

  nextRequest(): Uint8Array | undefined {
    for (const type of this.waiting) {
      this.waiting.delete(type);
      return this.requestOf(type);
    }
    return undefined;
  }

  override stop(): void {
    super.stop();
    for (const type of this.types.values()) clearTimeout(type.refusalTimer);
  }

  protected makeType(typeName: string): SotwType {
    const type: SotwType = new SotwType(typeName, (name) => this.onExpired(type, name));
    return type;
  }

  protected resetType(type: SotwType): void {
    clearTimeout(type.refusalTimer);
    type.nonce = '';
    type.refused = undefined;
  }

  protected override wantsResponse(type: SotwType): boolean {
    return type.watches.size > 0;
  }

  protected async take(type: SotwType, response: Response, epoch: number): Promise<void> {
    const { versionInfo: version, nonce } = response;
    if (response.controlPlane !== undefined) this.options.onIdentifier(response.controlPlane.identifier);
    const { resources, heartbeats, rejections } = await decodeInSlices(
      response.resources,
      type.typeName,
      version,
      type.known,
      type.large,
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
  private refuse(type: SotwType, version: string, text: string): void {
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

  private remember(type: SotwType, resources: readonly DecodedResource[]): void {
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
  protected giveHeld(type: SotwType, watch: Watch): void {
    const resources = heldFor(type, watch);
    if (resources.length === 0) return;
    type.queue = type.queue.then(async () => void (await watch.deliver(resources, type.version)));
  }

  /** Whoever asked for everything gets every response; the others only what they named, and nothing when there is none. */
  private async deliver(type: SotwType, resources: DecodedResource[], version: string): Promise<Rejection[]> {
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

  private onExpired(type: SotwType, name: string): void {
    type.held.delete(name);
    type.mortal.delete(name);
    for (const watch of type.watches) if (watch.wants(name)) void watch.deliverDelta([], [name], type.version);
  }

  private requestOf(type: SotwType): Uint8Array {
    const message = create(messageType('envoy.service.discovery.v3.DiscoveryRequest'), {
      versionInfo: type.version,
      node: this.nodeToTell(),
      resourceNames: type.names ?? [],
      typeUrl: typeUrlFor(type.typeName, this.options.apiVersion),
      responseNonce: type.nonce,
      errorDetail: statusOf(type.refused),
    } as never) as unknown as Request;
    type.refused = undefined;
    return encode('envoy.service.discovery.v3.DiscoveryRequest', message);
  }
}

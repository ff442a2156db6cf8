/** One stream of a client at a management server: what it asked for, what it was sent, what it refused. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { decode, encode, messageType, typeNameOf } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import type { ResourceStore, StoredResource } from './resource_store.ts';

const log = logger('config');

type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;

export interface DiscoveryStream {
  onMessage(bytes: Uint8Array): void;
  /** Something of this type changed. */
  onChange(typeName: string): void;
}

interface SotwType {
  names: ReadonlySet<string>;
  /** Version that was sent last; undefined: none. */
  sent: string | undefined;
}

/** State of the world: each answer holds everything that was asked for. */
export class SotwStream implements DiscoveryStream {
  private readonly store: ResourceStore;
  private readonly send: (message: Uint8Array) => void;
  private readonly types = new Map<string, SotwType>();
  private nonce = 0;

  constructor(store: ResourceStore, send: (message: Uint8Array) => void) {
    this.store = store;
    this.send = send;
  }

  onMessage(bytes: Uint8Array): void {
    const request: SotwRequest = decode('envoy.service.discovery.v3.DiscoveryRequest', bytes);
    const typeName = typeNameOf(request.typeUrl);
    if (request.errorDetail !== undefined) log.warn(`client refused ${typeName}: ${request.errorDetail.message}`);
    const names = new Set(request.resourceNames);
    const before = this.types.get(typeName);
    const same =
      before !== undefined && before.names.size === names.size && [...names].every((n) => before.names.has(n));
    this.types.set(typeName, { names, sent: same ? before.sent : undefined });
    this.answer(typeName);
  }

  onChange(typeName: string): void {
    this.answer(typeName);
  }

  private answer(typeName: string): void {
    const asked = this.types.get(typeName);
    const version = this.store.version(typeName);
    if (asked === undefined || version === '' || asked.sent === version) return;
    const resources = [...this.store.resources(typeName).values()].filter(
      ({ name }) => asked.names.size === 0 || asked.names.has(name),
    );
    // A client that names what it wants is told when there is some of it.
    if (resources.length === 0 && asked.names.size > 0) return;
    asked.sent = version;
    const typeUrl = `type.googleapis.com/${typeName}`;
    const message = create(messageType('envoy.service.discovery.v3.DiscoveryResponse'), {
      versionInfo: version,
      typeUrl,
      nonce: String(++this.nonce),
      resources: resources.map(({ bytes }) => ({ $typeName: 'google.protobuf.Any', typeUrl, value: bytes })),
    } as never);
    this.send(encode('envoy.service.discovery.v3.DiscoveryResponse', message as never));
  }
}

interface DeltaType {
  wildcard: boolean;
  readonly names: Set<string>;
  /** Name → version the client holds. */
  readonly held: Map<string, string>;
}

/** Delta: each answer holds what the client does not have yet, and what it should not have any more. */
export class DeltaStream implements DiscoveryStream {
  private readonly store: ResourceStore;
  private readonly send: (message: Uint8Array) => void;
  private readonly types = new Map<string, DeltaType>();
  private nonce = 0;

  constructor(store: ResourceStore, send: (message: Uint8Array) => void) {
    this.store = store;
    this.send = send;
  }

  onMessage(bytes: Uint8Array): void {
    const request: DeltaRequest = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
    const typeName = typeNameOf(request.typeUrl);
    if (request.errorDetail !== undefined) log.warn(`client refused ${typeName}: ${request.errorDetail.message}`);
    let type = this.types.get(typeName);
    const first = type === undefined;
    if (type === undefined) {
      const wildcard = request.resourceNamesSubscribe.length === 0;
      type = { wildcard, names: new Set(), held: new Map(Object.entries(request.initialResourceVersions)) };
      this.types.set(typeName, type);
    }
    for (const name of request.resourceNamesSubscribe) {
      if (name === '*') type.wildcard = true;
      else type.names.add(name);
    }
    for (const name of request.resourceNamesUnsubscribe) {
      if (name === '*') type.wildcard = false;
      type.names.delete(name);
      type.held.delete(name);
    }
    this.answer(typeName, type, first);
  }

  onChange(typeName: string): void {
    const type = this.types.get(typeName);
    if (type !== undefined) this.answer(typeName, type, false);
  }

  private answer(typeName: string, type: DeltaType, first: boolean): void {
    const resources = this.store.resources(typeName);
    const changed: StoredResource[] = [];
    for (const resource of resources.values()) {
      if (!type.wildcard && !type.names.has(resource.name)) continue;
      if (type.held.get(resource.name) === resource.version) continue;
      type.held.set(resource.name, resource.version);
      changed.push(resource);
    }
    const removed = [...type.held.keys()].filter((name) => !resources.has(name));
    for (const name of removed) type.held.delete(name);
    const nothing = changed.length + removed.length === 0;
    // A client that wants everything waits for a first word, even when there is nothing.
    if (nothing && !(first && type.wildcard && this.store.version(typeName) !== '')) return;
    this.respond(typeName, changed, removed);
  }

  private respond(typeName: string, changed: readonly StoredResource[], removedResources: readonly string[]): void {
    const typeUrl = `type.googleapis.com/${typeName}`;
    const resourceMessage = messageType('envoy.service.discovery.v3.Resource');
    const message = create(messageType('envoy.service.discovery.v3.DeltaDiscoveryResponse'), {
      systemVersionInfo: this.store.version(typeName),
      typeUrl,
      nonce: String(++this.nonce),
      removedResources,
      resources: changed.map(({ name, version, bytes }) =>
        create(resourceMessage, {
          name,
          version,
          resource: { $typeName: 'google.protobuf.Any', typeUrl, value: bytes },
        } as never),
      ),
    } as never);
    this.send(encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', message as never));
  }
}

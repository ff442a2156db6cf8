/** A control plane that serves a configuration over ADS in either protocol, and between its answers says whatever it likes. */
import { create, fromJson } from '@bufbuild/protobuf';
import { frameMessage } from '../../native-free/grpc/message_framing.ts';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { nameOf } from '../../src/xds/decode.ts';
import type { Json } from '../../test/support/bootstrap.ts';
import {
  anyOf,
  ControlPlane,
  type DeltaRequest,
  type PlaneStream,
  type SotwRequest,
} from '../../test/support/control_plane.ts';
import { types } from '../../test/support/resource_server.ts';

export type Kind = 'cluster' | 'endpoints' | 'listener' | 'routes';
export const kinds: readonly Kind[] = ['cluster', 'endpoints', 'listener', 'routes'];
export type State = Readonly<Record<Kind, readonly Json[]>>;

/** What a stream knows of a type. */
interface Known {
  names: readonly string[];
  sent: Set<string>;
}

const url = (kind: Kind) => `type.googleapis.com/${types[kind]}`;

export class ChaosPlane {
  plane!: ControlPlane;
  /** Texts of refusals. */
  readonly refused: string[] = [];
  private state: State = { cluster: [], endpoints: [], listener: [], routes: [] };
  private version = 0;
  private nonce = 0;
  private stream: PlaneStream | undefined;
  private known = new Map<Kind, Known>();

  async start(port = 0): Promise<void> {
    this.plane = await ControlPlane.start((stream, request) => this.onRequest(stream, request), port);
  }

  /** From now on this is the configuration; of these kinds everything is told. */
  set(state: State, changed: readonly Kind[] = kinds): void {
    this.state = state;
    this.version++;
    for (const kind of changed) if (this.known.has(kind)) this.tell(kind, state[kind]);
  }

  /** Tells this instead of what holds. */
  tell(kind: Kind, resources: readonly Json[], { type = url(kind), nonce = `${++this.nonce}` } = {}): void {
    const { stream } = this;
    const known = this.known.get(kind);
    if (stream === undefined || known === undefined) return;
    const read = (json: Json) =>
      fromJson(messageType(types[kind]), json as never, { registry }) as unknown as AnyMessage;
    const all = resources.map(read);
    const wanted = all.filter((each) => known.names.length === 0 || known.names.includes(nameOf(each)));
    const version = `${this.version}`;
    if (!stream.path.includes('/Delta')) {
      stream.respond({ typeUrl: type, version, nonce, resources: wanted });
      return;
    }
    const names = new Set(wanted.map(nameOf));
    const removed = [...known.sent].filter((name) => !names.has(name));
    known.sent = names;
    const added = wanted.map((message) => ({ name: nameOf(message), version, message }));
    stream.respondDelta({ typeUrl: type, nonce, added, removed });
  }

  /** A response of a type nobody asked for. */
  tellUnknown(): void {
    const typeUrl = 'type.googleapis.com/envoy.config.nothing.v3.Nothing';
    const empty = create(messageType('google.protobuf.Empty')) as unknown as AnyMessage;
    this.respond(typeUrl, [{ ...(anyOf(empty) as object), typeUrl }]);
  }

  /** Resources that are not what the response says, or that cannot be decoded. */
  tellBroken(kind: Kind, resource: { typeUrl: string; value: Uint8Array }): void {
    this.respond(url(kind), [create(messageType('google.protobuf.Any'), resource as never)]);
  }

  sendBytes(bytes: Uint8Array, framed: boolean): void {
    this.stream?.sendBytes(framed ? frameMessage(bytes) : bytes);
  }

  end(status: number): void {
    this.stream?.end(status);
    this.forget();
  }

  reset(what: 'stream' | 'connection'): void {
    this.stream?.reset(what);
    this.forget();
  }

  get connected(): boolean {
    return this.known.size > 0;
  }

  private forget(): void {
    this.stream = undefined;
    this.known = new Map();
  }

  private respond(typeUrl: string, resources: unknown[]): void {
    const delta = this.stream?.path.includes('/Delta') === true;
    const name = `envoy.service.discovery.v3.${delta ? 'Delta' : ''}DiscoveryResponse`;
    const list = delta
      ? resources.map((resource) =>
          create(messageType('envoy.service.discovery.v3.Resource'), { name: 'x', version: '1', resource } as never),
        )
      : resources;
    const fields = { typeUrl, nonce: `${++this.nonce}`, resources: list, ...(delta ? {} : { versionInfo: 'bad' }) };
    this.stream?.send(create(messageType(name), fields as never) as unknown as AnyMessage);
  }

  private onRequest(stream: PlaneStream, request: SotwRequest | DeltaRequest): void {
    if (this.stream !== stream) {
      // What an earlier stream still says is of no interest.
      if (this.stream !== undefined && stream.requests.length > 1) return;
      this.forget();
      this.stream = stream;
    }
    const kind = kinds.find((each) => url(each) === request.typeUrl);
    if (kind === undefined) return;
    if (request.errorDetail !== undefined) this.refused.push(request.errorDetail.message);
    const before = this.known.get(kind);
    const names = namesAfter(before?.names ?? [], request);
    this.known.set(kind, { names, sent: before?.sent ?? initialOf(request) });
    const asks = before === undefined || names.join() !== before.names.join();
    if (asks) this.tell(kind, this.state[kind]);
  }
}

function namesAfter(before: readonly string[], request: SotwRequest | DeltaRequest): readonly string[] {
  if ('resourceNames' in request) return request.resourceNames;
  const gone = new Set(request.resourceNamesUnsubscribe);
  return [...new Set([...before, ...request.resourceNamesSubscribe])].filter((name) => name !== '*' && !gone.has(name));
}

function initialOf(request: SotwRequest | DeltaRequest): Set<string> {
  return new Set('initialResourceVersions' in request ? Object.keys(request.initialResourceVersions) : []);
}

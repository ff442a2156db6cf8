/** A control plane that says what another one said once, message by message, and knows what it was answered then. */
import { fromJson, toJson } from '@bufbuild/protobuf';
import { messageType, registry } from '../../src/api/registry.ts';
import type { Json } from './bootstrap.ts';
import { ControlPlane, type DeltaRequest, type PlaneStream, type SotwRequest } from './control_plane.ts';

/** One message of a recording, as scripts/xds_peers/record.ts writes it. */
export interface Said {
  readonly by: 'proxy' | 'plane';
  readonly message: Json;
}

/** What a client said of a type: whatever the order and the number of its messages. */
export interface Told {
  /** What it wants in the end; delta: what it began and ceased to want. */
  names: string[];
  unsubscribed: string[];
  /** Each response by its nonce: `ACK` and the version that holds (state of the world), or `NACK`. */
  answers: Record<string, string>;
  /** Versions that it began the stream with. */
  initial: unknown;
}

export class ReplayedPlane {
  plane!: ControlPlane;
  private stream: PlaneStream | undefined;
  private toSay: Json[] = [];
  private heard: Json[] = [];
  /** Of this stream: what was asked for by type, and the nonce that is not answered yet. */
  private asked = new Map<string, Set<string>>();
  private open = new Map<string, string>();

  async start(): Promise<void> {
    this.plane = await ControlPlane.start((stream, request) => this.onRequest(stream, request));
  }

  /** The next stage: says what the recorded one said, each message as soon as the client is ready for it. */
  begin(stage: readonly Said[]): void {
    this.heard = [];
    this.toSay = stage.filter(({ by }) => by === 'plane').map(({ message }) => message);
    this.say();
  }

  /** Ends the stream, as a control plane that is restarted. */
  disconnect(): void {
    const unavailable = 14;
    this.stream?.end(unavailable);
    this.stream = undefined;
  }

  /** What the client has said in this stage. */
  told(): Record<string, Told> {
    return toldBy(this.heard);
  }

  private onRequest(stream: PlaneStream, request: SotwRequest | DeltaRequest): void {
    if (this.stream !== stream) {
      this.stream = stream;
      this.asked = new Map();
      this.open = new Map();
    }
    const message = toJson(messageType(request.$typeName), request as never, { registry }) as Json;
    this.heard.push(message);
    const { typeUrl: type } = request;
    if (this.open.get(type) === request.responseNonce) this.open.delete(type);
    const before = request.$typeName.endsWith('DeltaDiscoveryRequest') ? this.asked.get(type) : undefined;
    this.asked.set(type, new Set([...(before ?? []), ...namesOf(message)]));
    this.say();
  }

  /** A response waits for the answer to the one before it of its type, and until what it has is asked for. */
  private say(): void {
    for (const message of [...this.toSay]) {
      const type = String(message['typeUrl']);
      const asked = this.asked.get(type);
      if (this.stream === undefined || asked === undefined || this.open.has(type)) continue;
      const has = ((message['resources'] ?? []) as Json[]).map(nameOf);
      if (asked.size > 0 && has.some((name) => !asked.has(name))) continue;
      this.open.set(type, String(message['nonce']));
      this.toSay.splice(this.toSay.indexOf(message), 1);
      const kind = this.stream.path.includes('/Delta') ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse';
      const typeName = `envoy.service.discovery.v3.${kind}`;
      this.stream.send(fromJson(messageType(typeName), message as never, { registry }));
    }
  }
}

function namesOf(request: Json): string[] {
  return ((request['resourceNames'] ?? request['resourceNamesSubscribe'] ?? []) as string[]).toSorted();
}

/** Of a bare resource, or of one in its wrapper. */
function nameOf(resource: Json): string {
  return String(resource['name'] ?? resource['clusterName']);
}

export function toldBy(requests: readonly Json[]): Record<string, Told> {
  const told: Record<string, Told> = {};
  for (const request of requests) {
    const type = String(request['typeUrl']).split('.').at(-1)!;
    told[type] ??= { names: [], unsubscribed: [], answers: {}, initial: undefined };
    const of = told[type];
    if (request['resourceNames'] !== undefined) of.names = namesOf(request);
    else of.names.push(...namesOf(request));
    of.unsubscribed.push(...((request['resourceNamesUnsubscribe'] ?? []) as string[]));
    of.initial ??= request['initialResourceVersions'];
    const nonce = request['responseNonce'];
    if (nonce === undefined) continue;
    const ack = ['ACK', request['versionInfo']].filter((word) => word !== undefined).join(' ');
    of.answers[String(nonce)] = request['errorDetail'] === undefined ? ack : 'NACK';
  }
  return told;
}

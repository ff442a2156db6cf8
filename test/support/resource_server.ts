/** A control plane that serves what a test puts into it over ADS, state of the world, as go-control-plane does. */
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { nameOf } from '../../src/xds/decode.ts';
import type { Json } from './bootstrap.ts';
import { ControlPlane, type PlaneStream, type SotwRequest } from './control_plane.ts';

export const types = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  extensionConfig: 'envoy.config.core.v3.TypedExtensionConfig',
  runtime: 'envoy.service.runtime.v3.Runtime',
  scope: 'envoy.config.route.v3.ScopedRouteConfiguration',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

interface Served {
  version: number;
  resources: AnyMessage[];
}

interface Asked {
  names: readonly string[];
  sent: number;
}

export class ResourceServer {
  plane!: ControlPlane;
  /** Texts of NACKs. */
  readonly refused: string[] = [];
  private readonly served = new Map<string, Served>();
  private asked = new Map<PlaneStream, Map<string, Asked>>();
  private nonce = 0;

  async start(port: number | string = 0): Promise<void> {
    this.asked = new Map();
    this.plane = await ControlPlane.start((stream, request) => this.onRequest(stream, request as SotwRequest), port);
  }

  get port(): number {
    return this.plane.port;
  }

  stop(): Promise<void> {
    return this.plane.stop();
  }

  /** Everything there is of a type from now on. */
  set(type: string, resources: readonly Json[]): void {
    const read = (json: Json) => fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage;
    this.served.set(type, { version: (this.served.get(type)?.version ?? 0) + 1, resources: resources.map(read) });
    for (const stream of this.asked.keys()) this.answer(stream, type);
  }

  private onRequest(stream: PlaneStream, request: SotwRequest): void {
    const type = request.typeUrl.slice(request.typeUrl.lastIndexOf('/') + 1);
    if (request.errorDetail !== undefined) this.refused.push(request.errorDetail.message);
    const of = this.asked.get(stream) ?? new Map<string, Asked>();
    this.asked.set(stream, of);
    const before = of.get(type);
    const asked = { names: request.resourceNames, sent: before?.sent ?? 0 };
    of.set(type, asked);
    if (before !== undefined && before.names.join() !== asked.names.join()) asked.sent = 0;
    this.answer(stream, type);
  }

  private answer(stream: PlaneStream, type: string): void {
    const asked = this.asked.get(stream)?.get(type);
    const served = this.served.get(type);
    if (asked === undefined || served === undefined || asked.sent === served.version) return;
    const wanted = served.resources.filter(
      (resource) => asked.names.length === 0 || asked.names.includes(nameOf(resource)),
    );
    if (asked.names.length > 0 && wanted.length === 0) return;
    asked.sent = served.version;
    this.nonce++;
    stream.respond({
      typeUrl: `type.googleapis.com/${type}`,
      version: `${served.version}`,
      nonce: `${this.nonce}`,
      resources: wanted,
    });
  }
}

/** dynamic_resources and the cluster that leads to the server. */
export function adsBootstrap(port: number, more: Json = {}): Json {
  return {
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      ...more,
    },
    node: { id: 'test-id', cluster: 'test-cluster' },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          http2_protocol_options: {},
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
                ],
              },
            ],
          },
        },
      ],
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
  };
}

/** Control path, step 3: the resource types of xDS: how each is asked for over gRPC and REST, in v3 and in v2. */

export interface XdsType {
  /** Full name of the v3 message. */
  readonly typeName: string;
  /** `/package.Service/` of the per-type service, without the method. */
  readonly service: string;
  /** `Stream…` and `Delta…` method names. */
  readonly stream: string;
  readonly delta: string;
  /** Path of the REST endpoint; undefined: there is none. */
  readonly rest: string | undefined;
}

function xdsType(typeName: string, service: string, noun: string, rest: string | undefined): XdsType {
  return { typeName, service: `/${service}/`, stream: `Stream${noun}`, delta: `Delta${noun}`, rest };
}

const types: readonly XdsType[] = [
  xdsType(
    'envoy.config.listener.v3.Listener',
    'envoy.service.listener.v3.ListenerDiscoveryService',
    'Listeners',
    '/v3/discovery:listeners',
  ),
  xdsType(
    'envoy.config.route.v3.RouteConfiguration',
    'envoy.service.route.v3.RouteDiscoveryService',
    'Routes',
    '/v3/discovery:routes',
  ),
  xdsType(
    'envoy.config.route.v3.ScopedRouteConfiguration',
    'envoy.service.route.v3.ScopedRoutesDiscoveryService',
    'ScopedRoutes',
    '/v3/discovery:scoped-routes',
  ),
  xdsType(
    'envoy.config.route.v3.VirtualHost',
    'envoy.service.route.v3.VirtualHostDiscoveryService',
    'VirtualHosts',
    undefined,
  ),
  xdsType(
    'envoy.config.cluster.v3.Cluster',
    'envoy.service.cluster.v3.ClusterDiscoveryService',
    'Clusters',
    '/v3/discovery:clusters',
  ),
  xdsType(
    'envoy.config.endpoint.v3.ClusterLoadAssignment',
    'envoy.service.endpoint.v3.EndpointDiscoveryService',
    'Endpoints',
    '/v3/discovery:endpoints',
  ),
  xdsType(
    'envoy.config.endpoint.v3.LbEndpoint',
    'envoy.service.endpoint.v3.LocalityEndpointDiscoveryService',
    'LocalityEndpoints',
    undefined,
  ),
  xdsType(
    'envoy.extensions.transport_sockets.tls.v3.Secret',
    'envoy.service.secret.v3.SecretDiscoveryService',
    'Secrets',
    '/v3/discovery:secrets',
  ),
  xdsType(
    'envoy.service.runtime.v3.Runtime',
    'envoy.service.runtime.v3.RuntimeDiscoveryService',
    'Runtime',
    '/v3/discovery:runtime',
  ),
  xdsType(
    'envoy.config.core.v3.TypedExtensionConfig',
    'envoy.service.extension.v3.ExtensionConfigDiscoveryService',
    'ExtensionConfigs',
    '/v3/discovery:extension_configs',
  ),
];

const byName = new Map(types.map((type) => [type.typeName, type]));

/** Throws for a type that no service delivers: that is a fault of the caller. */
function xdsTypeOf(typeName: string): XdsType {
  const type = byName.get(typeName);
  if (type === undefined) throw new Error(`${typeName} is not delivered by xDS`);
  return type;
}

/** The aggregated service's methods. */
export const adsStream = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
export const adsDelta = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
export const adsStreamV2 = '/envoy.service.discovery.v2.AggregatedDiscoveryService/StreamAggregatedResources';
export const adsDeltaV2 = '/envoy.service.discovery.v2.AggregatedDiscoveryService/DeltaAggregatedResources';

/** The v2 names of what v3 moved: types and services. */
const v2Types: Readonly<Record<string, { typeName: string; service: string }>> = {
  'envoy.config.listener.v3.Listener': {
    typeName: 'envoy.api.v2.Listener',
    service: '/envoy.api.v2.ListenerDiscoveryService/',
  },
  'envoy.config.route.v3.RouteConfiguration': {
    typeName: 'envoy.api.v2.RouteConfiguration',
    service: '/envoy.api.v2.RouteDiscoveryService/',
  },
  'envoy.config.route.v3.ScopedRouteConfiguration': {
    typeName: 'envoy.api.v2.ScopedRouteConfiguration',
    service: '/envoy.api.v2.ScopedRoutesDiscoveryService/',
  },
  'envoy.config.cluster.v3.Cluster': {
    typeName: 'envoy.api.v2.Cluster',
    service: '/envoy.api.v2.ClusterDiscoveryService/',
  },
  'envoy.config.endpoint.v3.ClusterLoadAssignment': {
    typeName: 'envoy.api.v2.ClusterLoadAssignment',
    service: '/envoy.api.v2.EndpointDiscoveryService/',
  },
  'envoy.extensions.transport_sockets.tls.v3.Secret': {
    typeName: 'envoy.api.v2.auth.Secret',
    service: '/envoy.service.discovery.v2.SecretDiscoveryService/',
  },
  'envoy.service.runtime.v3.Runtime': {
    typeName: 'envoy.service.discovery.v2.Runtime',
    service: '/envoy.service.discovery.v2.RuntimeDiscoveryService/',
  },
};

const v3OfV2 = new Map(Object.entries(v2Types).map(([v3, { typeName }]) => [typeName, v3]));

/** The type URL a control plane of this API version knows the type by. */
export function typeUrlFor(typeName: string, version: 'V2' | 'V3'): string {
  const name = version === 'V2' ? (v2Types[typeName]?.typeName ?? typeName) : typeName;
  return `type.googleapis.com/${name}`;
}

/** The v3 message's name for the type URL of a response or a resource, whatever version it speaks. */
export function typeNameFor(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  return v3OfV2.get(name) ?? name;
}

/** The per-type gRPC method. */
export function methodFor(typeName: string, delta: boolean, version: 'V2' | 'V3'): string {
  const type = xdsTypeOf(typeName);
  const service = version === 'V2' ? (v2Types[typeName]?.service ?? type.service) : type.service;
  return service + (delta ? type.delta : type.stream);
}

/** The REST path; undefined: the type is not delivered by REST. */
export function restPathFor(typeName: string, version: 'V2' | 'V3'): string | undefined {
  const { rest } = xdsTypeOf(typeName);
  return version === 'V2' ? rest?.replace('/v3/', '/v2/') : rest;
}

/** Large resources as several small ones of the same type, so that they can be checked bit by bit (control path, step 2). */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, messageType } from '../api/registry.ts';

export interface Piece {
  readonly piece: AnyMessage;
  /** What of the resource stands in it alone, and is checked without regard to anything else; undefined: there is no such thing. */
  readonly part: object | undefined;
}

const routesAtOnce = 50;
const endpointsAtOnce = 200;
const chainsAtOnce = 20;

/** It has so many parts that to check it takes more than a few milliseconds. */
export function isLarge(message: AnyMessage): boolean {
  switch (message.$typeName) {
    case 'envoy.config.route.v3.RouteConfiguration': {
      const { virtualHosts } = message as unknown as envoy.config.route.v3.RouteConfiguration;
      return virtualHosts.length > routesAtOnce || virtualHosts.some(({ routes }) => routes.length > routesAtOnce);
    }
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment': {
      const { endpoints } = message as unknown as envoy.config.endpoint.v3.ClusterLoadAssignment;
      return endpoints.some(({ lbEndpoints }) => lbEndpoints.length > endpointsAtOnce);
    }
    case 'envoy.config.listener.v3.Listener':
      return (message as unknown as envoy.config.listener.v3.Listener).filterChains.length > chainsAtOnce;
    default:
      return false;
  }
}

/** All that is in `message` is in one of its pieces; what holds between the pieces is left to be checked. */
export function piecesOf(message: AnyMessage): Iterable<Piece> {
  switch (message.$typeName) {
    case 'envoy.config.route.v3.RouteConfiguration':
      return routePieces(message as unknown as envoy.config.route.v3.RouteConfiguration);
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment':
      return endpointPieces(message as unknown as envoy.config.endpoint.v3.ClusterLoadAssignment);
    case 'envoy.config.listener.v3.Listener':
      return listenerPieces(message as unknown as envoy.config.listener.v3.Listener);
    default:
      return [{ piece: message, part: undefined }];
  }
}

function* routePieces(table: envoy.config.route.v3.RouteConfiguration): Generator<Piece> {
  yield { piece: { ...table, virtualHosts: [] } as unknown as AnyMessage, part: undefined };
  const { name, validateClusters, maxDirectResponseBodySizeBytes } = table;
  // What of the table the checks of a route look at.
  const around = { name, validateClusters, maxDirectResponseBodySizeBytes };
  const alone = validateClusters !== true && maxDirectResponseBodySizeBytes === undefined;
  for (const host of table.virtualHosts) {
    const part = alone && host.routes.length <= routesAtOnce ? host : undefined;
    for (const routes of chunks(host.routes, routesAtOnce)) {
      const virtualHosts = [routes.length === host.routes.length ? host : { ...host, routes }];
      const piece = create(messageType('envoy.config.route.v3.RouteConfiguration'), { ...around } as never);
      yield { piece: Object.assign(piece, { virtualHosts }) as unknown as AnyMessage, part };
    }
  }
}

function* endpointPieces(assignment: envoy.config.endpoint.v3.ClusterLoadAssignment): Generator<Piece> {
  yield { piece: { ...assignment, endpoints: [] } as unknown as AnyMessage, part: undefined };
  for (const locality of assignment.endpoints) {
    for (const lbEndpoints of chunks(locality.lbEndpoints, endpointsAtOnce)) {
      const piece = { ...assignment, endpoints: [{ ...locality, lbEndpoints }] };
      yield { piece: piece as unknown as AnyMessage, part: undefined };
    }
  }
}

function* listenerPieces(listener: envoy.config.listener.v3.Listener): Generator<Piece> {
  yield { piece: { ...listener, filterChains: [] } as unknown as AnyMessage, part: undefined };
  for (const chain of listener.filterChains) {
    // The chain itself: its messages are checked wherever they stand.
    yield { piece: chain as unknown as AnyMessage, part: chain };
  }
}

/** At least one, which may be empty. */
function* chunks<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  if (list.length <= size) {
    yield list;
    return;
  }
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size);
}

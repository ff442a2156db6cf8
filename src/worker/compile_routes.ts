/** Step 4 of the control path, worker: a discovered route configuration is compiled bit by bit, and only where it changed. */
import { typeNamesIn } from '../api/any_types.ts';
import { type MessageParts, splitMessage } from '../api/message_parts.ts';
import { decode } from '../api/registry.ts';
import { contentHash } from '../common/content_hash.ts';
import type { Slices } from '../common/slices.ts';
import type { RouteTable } from '../router/route_table.ts';
import type { VirtualHost } from '../router/virtual_host.ts';
import type { ExtensionLoader } from './extension_loader.ts';

const tableType = 'envoy.config.route.v3.RouteConfiguration';
const virtualHostsField = 2;
const hostType = 'envoy.config.route.v3.VirtualHost';
const routesField = 3;
const routeType = 'envoy.config.route.v3.Route';

/** A table with what the next one may take over. */
export interface CompiledRoutes {
  readonly table: RouteTable;
  /** Hash of everything but the virtual hosts. */
  readonly rest: string;
  /** By the hash of their bytes. */
  readonly hosts: ReadonlyMap<string, VirtualHost>;
}

/** Virtual hosts that `former` has too are taken over, as long as nothing changed that they share. */
export async function compileRoutes(
  bytes: Uint8Array,
  former: CompiledRoutes | undefined,
  loader: ExtensionLoader,
  slices: Slices,
): Promise<CompiledRoutes> {
  const { rest, parts } = partsOf(bytes, virtualHostsField);
  const message = decode(tableType, rest);
  await loader.load(typeNamesIn(message));
  const table = loader.compileRoutes(message);
  const restHash = contentHash(rest);
  const before = former?.rest === restHash ? former.hosts : undefined;
  const hosts = new Map<string, VirtualHost>();
  for (const part of parts) {
    if (slices.over) await slices.next();
    const hostHash = contentHash(part);
    const host = before?.get(hostHash) ?? (await compileHost(part, table, loader, slices));
    hosts.set(hostHash, host);
    table.addHost(host);
  }
  return { table, rest: restHash, hosts };
}

async function compileHost(
  bytes: Uint8Array,
  table: RouteTable,
  loader: ExtensionLoader,
  slices: Slices,
): Promise<VirtualHost> {
  const { rest, parts } = partsOf(bytes, routesField);
  const message = decode(hostType, rest);
  await loader.load(typeNamesIn(message));
  const host = table.makeHost(message);
  for (const part of parts) {
    if (slices.over) await slices.next();
    const route = decode(routeType, part);
    await loader.load(typeNamesIn(route));
    host.addRoute(route);
  }
  return host;
}

/** What was published has been decoded before. */
function partsOf(bytes: Uint8Array, field: number): MessageParts {
  return splitMessage(bytes, field) ?? { rest: bytes, parts: [] };
}

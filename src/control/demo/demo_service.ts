/** The upstreams of the demo: the service of Envoy's front-proxy example, one HTTP server a replica. */
import { createServer, type Server } from 'node:http';

type AddressInfo = Exclude<ReturnType<Server['address']>, string | null>;

/** One service: a name that resolves to `addresses`, all on the same port as a container would have it. */
export interface DemoService {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  stop(): Promise<void>;
}

const ATTEMPTS = 20;

/**
 * Starts a replica on each address. Addresses the system does not have (macOS knows only 127.0.0.1 of 127/8) are left
 * out. Rejects when none can be bound.
 */
export async function startDemoService(number: number, addresses: readonly string[]): Promise<DemoService> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const servers = await listenOnSamePort(number, addresses);
    if (servers === undefined) continue; // the port was free on the first address only
    const bound = servers.map((server) => server.address() as AddressInfo);
    return {
      name: `service${number}`,
      addresses: bound.map(({ address }) => address),
      port: bound[0].port,
      stop: async () => void (await Promise.all(servers.map(close))),
    };
  }
  throw new Error(`no port is free on all of ${addresses.join(', ')}`);
}

async function listenOnSamePort(number: number, addresses: readonly string[]): Promise<Server[] | undefined> {
  const servers: Server[] = [];
  let port = 0;
  for (const address of addresses) {
    const server = replica(number, servers.length + 1);
    try {
      port = await listen(server, port, address);
      servers.push(server);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRNOTAVAIL') continue;
      await Promise.all(servers.map(close));
      if (code === 'EADDRINUSE') return undefined;
      throw error;
    }
  }
  if (servers.length > 0) return servers;
  const server = replica(number, 1);
  await listen(server, 0, '127.0.0.1');
  return [server];
}

/** The Flask program of the example, its words included. */
function replica(number: number, index: number): Server {
  const hostname = `service${number}-${index}`;
  return createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    const found = /^\/service\/\d+$/.test(path);
    const body = found
      ? `Hello from behind Envoy (service ${number})! hostname: ${hostname} resolvedhostname: ${request.socket.localAddress}\n`
      : `There is no ${path} here, only /service/${number}\n`;
    response.writeHead(found ? 200 : 404, {
      'content-type': found ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
    request.resume();
  });
}

/** Resolves with the port; rejects with the system's error. */
export function listen(server: Server, port: number, address: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(port, address, () => resolve((server.address() as AddressInfo).port));
  return promise;
}

/** Ends the server with all its connections. */
export function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}

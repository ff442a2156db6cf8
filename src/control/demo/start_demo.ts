/** `npm start` without arguments: demo upstreams, and the front proxy's bootstrap with the ports that are free. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { PACKAGE_ROOT } from '../../common/version.ts';
import { close, type DemoService, listen, startDemoService } from './demo_service.ts';

/** The demo around the proxy; the proxy itself is started by the caller as for any other configuration. */
export interface Demo {
  /** A v3 bootstrap, for Options.configYaml. */
  readonly configYaml: string;
  /** What service1 and service2 resolve to, for `systemResolver(hosts)`. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  /** What to try, to be printed once the proxy serves. */
  readonly greeting: string;
  /** What happens once the proxy serves. */
  readonly onServing?: () => Promise<void>;
  /** Ends the upstreams. */
  stop(): Promise<void>;
}

const CONFIG = path.join('config', 'demo-front-proxy.yaml');
const LISTENER_PORT = ['static_resources', 'listeners', 0, 'address', 'socket_address', 'port_value'];
const ADMIN_PORT = ['admin', 'address', 'socket_address', 'port_value'];

function servicePort(cluster: number): (string | number)[] {
  const endpoint = ['load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint'];
  return ['static_resources', 'clusters', cluster, ...endpoint, 'address', 'socket_address', 'port_value'];
}

/** Starts the upstreams. Ports given are where the search for free ones begins; they default to those of the file. */
export async function startDemo(from: { listenerPort?: number; adminPort?: number } = {}): Promise<Demo> {
  const config = parseDocument(readFileSync(path.join(PACKAGE_ROOT, CONFIG), 'utf8'));
  const service1 = await startDemoService(1, ['127.0.0.2', '127.0.0.3', '127.0.0.4']);
  const service2 = await startDemoService(2, ['127.0.0.5']);
  const adminPort = await freePort(from.adminPort ?? (config.getIn(ADMIN_PORT) as number));
  const listenerPort = await freePort(from.listenerPort ?? (config.getIn(LISTENER_PORT) as number), adminPort);
  config.setIn(ADMIN_PORT, adminPort);
  config.setIn(LISTENER_PORT, listenerPort);
  config.setIn(servicePort(0), service1.port);
  config.setIn(servicePort(1), service2.port);
  return {
    configYaml: config.toString(),
    hosts: { [service1.name]: service1.addresses, [service2.name]: service2.addresses },
    greeting: greetingText(listenerPort, adminPort, [service1, service2]),
    stop: async () => void (await Promise.all([service1.stop(), service2.stop()])),
  };
}

/** The first port from `first` on that nobody listens on, `taken` left out. */
export async function freePort(first: number, taken = 0): Promise<number> {
  for (let port = first; port < first + 100 && port <= 65_535; port++) {
    if (port === taken) continue;
    const probe = createServer();
    try {
      await listen(probe, port, '127.0.0.1');
      await close(probe);
      return port;
    } catch (error) {
      if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  throw new Error(`none of the ports ${first} to ${first + 99} is free`);
}

function greetingText(listenerPort: number, adminPort: number, services: readonly DemoService[]): string {
  const lines = services.map(({ name, addresses, port }) => {
    return `  ${name}  ${addresses.map((ip) => `${ip}:${port}`).join('  ')}`;
  });
  return [
    '',
    'nuncio demo: a front proxy and the services behind it.',
    ...lines,
    '',
    'Try:',
    `  curl http://127.0.0.1:${listenerPort}/service/1     again and again: the replicas take turns`,
    `  curl http://127.0.0.1:${listenerPort}/service/2`,
    `  admin: http://127.0.0.1:${adminPort}/               /clusters, /stats/prometheus, /config_dump`,
    '',
    `The configuration is ${CONFIG}; your own runs by \`npm start -- -c FILE\`. Ctrl-C ends the demo.`,
    '',
    '',
  ].join('\n');
}

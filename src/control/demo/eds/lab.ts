/**
 * `npm run demo:eds`: endpoint discovery step by step: a proxy whose control plane is not there yet, services that register
 * themselves, a host that fails its health checks and recovers, a control plane that is restarted, a service that leaves.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import { PACKAGE_ROOT } from '../../../common/version.ts';
import { freePort } from '../start_demo.ts';
import { EdsServer } from './eds_server.ts';
import { LabService } from './lab_service.ts';

const CONFIG = path.join('config', 'seed-eds.yaml');
const LISTENER_PORT = ['static_resources', 'listeners', 0, 'address', 'socket_address', 'port_value'];
const ADMIN_PORT = ['admin', 'address', 'socket_address', 'port_value'];
const EDS_PORT = [
  ...['static_resources', 'clusters', 1, 'load_assignment', 'endpoints', 0, 'lb_endpoints', 0],
  ...['endpoint', 'address', 'socket_address', 'port_value'],
];
const httpPort = 5000;
const firstServicePort = 8081;

export interface EdsLab {
  readonly configYaml: string;
  /** The steps; resolves when all are done. The lab then goes on until it is stopped. */
  run(say: (text: string) => void): Promise<void>;
  stop(): Promise<void>;
}

interface Step {
  readonly title: string;
  readonly outcome: string;
}

/** Ports are those of the lab, or the next free ones. */
export async function prepareLab(): Promise<EdsLab> {
  const config = parseDocument(readFileSync(path.join(PACKAGE_ROOT, CONFIG), 'utf8'));
  const ports = {
    listener: await freePort(config.getIn(LISTENER_PORT) as number),
    admin: await freePort(config.getIn(ADMIN_PORT) as number),
    grpc: await freePort(config.getIn(EDS_PORT) as number),
    http: await freePort(httpPort),
  };
  config.setIn(LISTENER_PORT, ports.listener);
  config.setIn(ADMIN_PORT, ports.admin);
  config.setIn(EDS_PORT, ports.grpc);
  const steps: Step[] = [];
  const page = () => pageText(steps, ports.listener, ports.http);
  const eds = new EdsServer({ grpcPort: ports.grpc, httpPort: ports.http, service: 'myservice', page });
  await eds.start();
  const registry = `http://127.0.0.1:${ports.http}`;
  const services = [new LabService(registry), new LabService(registry)];
  return {
    configYaml: config.toString(),
    run: (say) => {
      const tell = (title: string, outcome: string): void => {
        steps.push({ title, outcome });
        say(`\n${steps.length}. ${title}\n   ${outcome}`);
      };
      return runSteps({ eds, services, url: `http://127.0.0.1:${ports.listener}/`, tell }).then(() => {
        say(
          `\nThe lab goes on: curl http://127.0.0.1:${ports.listener}/, ${registry}/edsservice/register?endpoint=IP:PORT`,
        );
        say(`what happened: ${registry}/   admin: http://127.0.0.1:${ports.admin}/clusters   Ctrl-C ends it.`);
      });
    },
    stop: async () => {
      await eds.stop();
      for (const service of services) await service.stop();
    },
  };
}

interface LabRun {
  readonly eds: EdsServer;
  readonly services: readonly LabService[];
  readonly url: string;
  tell(title: string, outcome: string): void;
}

async function runSteps({ eds, services, url, tell }: LabRun): Promise<void> {
  const [one, two] = services;
  tell('The control plane is not there: no endpoints', await ask(url));
  await eds.startGrpc();
  tell('The EDS server starts, and knows of nobody', await until(url, (answer) => answer.startsWith('503')));
  await one.start(await freePort(firstServicePort));
  tell(`A service registers itself: ${one.address}`, await until(url, (answer) => answer.includes(one.id)));
  await two.start(await freePort(firstServicePort + 1));
  await until(url, (answer) => answer.includes(two.id));
  tell(`Another one, ${two.address}: they take turns`, `${await ask(url)}\n   ${await ask(url)}`);
  // The first one was checked before it had traffic, and is again after a minute only (no_traffic_interval).
  two.healthy = false;
  tell(`${two.address} fails its health checks: only the other one is asked`, await until(url, onlyFrom(one.id)));
  two.healthy = true;
  tell(`${two.address} is healthy again`, await until(url, (answer) => answer.includes(two.id)));
  await eds.stopGrpc();
  tell('The EDS server is killed: what it said last holds', await ask(url));
  await eds.startGrpc();
  await one.deregister();
  tell(`The EDS server is back, and ${one.address} deregisters`, await until(url, onlyFrom(two.id)));
  await two.deregister();
  tell(`${two.address} deregisters too`, await until(url, (answer) => answer.startsWith('503')));
}

async function ask(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    return `${response.status} ${(await response.text()).trim()}`;
  } catch (error) {
    return `no answer: ${(error as Error).message}`;
  }
}

/** Asks until the answer is the one that is waited for; health checks of the lab take five seconds each. */
async function until(url: string, wanted: (answer: string) => boolean): Promise<string> {
  const deadline = performance.now() + mostWait;
  for (;;) {
    const answer = await ask(url);
    if (wanted(answer)) return answer;
    if (performance.now() > deadline) return `${answer} (still, after ${mostWait / 1000} s)`;
    await delay(100);
  }
}

const mostWait = 30_000;

/** Four answers in a row from this one. */
function onlyFrom(id: string): (answer: string) => boolean {
  let inRow = 0;
  return (answer) => {
    inRow = answer.includes(id) ? inRow + 1 : 0;
    return inRow === 4;
  };
}

function pageText(steps: readonly Step[], listenerPort: number, registryPort: number): string {
  const escape = (text: string) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);
  const items = steps.map(({ title, outcome }) => `<li>${escape(title)}<pre>${escape(outcome)}</pre></li>`);
  return [
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>nuncio: EDS lab</title>',
    '<body style="font-family:sans-serif;max-width:50em;margin:2em auto"><h1>Endpoint discovery, step by step</h1>',
    `<ol>${items.join('')}</ol>`,
    `<p>Proxy: <a href="http://127.0.0.1:${listenerPort}/">http://127.0.0.1:${listenerPort}/</a></p>`,
    `<p>Register: <code>curl 'http://127.0.0.1:${registryPort}/edsservice/register?endpoint=127.0.0.1:8083'</code></p>`,
  ].join('\n');
}

/**
 * Runs a proxy under Envoy Gateway: `npm run xds:gateway -- [--binary envoy-gateway] [--proxy nuncio|envoy] [--record FILE]`. Every
 * kind of plain route, then live changes under load that must lose nothing. `go install
 * github.com/envoyproxy/gateway/cmd/envoy-gateway@v1.9.1` makes the binary, in five minutes. Envoy Gateway takes the ports 18000
 * to 19003 of this machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Json } from '../../test/support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { type ClientResponse, request } from '../../test/support/raw_client.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { commands, expect, freePort } from '../xds_peers/context.ts';
import { Traffic } from '../xds_peers/traffic.ts';
import { gatewayBootstrap } from './bootstrap.ts';
import * as manifests from './manifests.ts';
import { recorded } from './recorded.ts';

const { values: args } = parseArgs({
  options: {
    binary: { type: 'string', default: 'envoy-gateway' },
    proxy: { type: 'string', default: 'nuncio' },
    /** Where to keep what Envoy Gateway sent, as the proxy's /config_dump tells it. */
    record: { type: 'string', default: '' },
  },
});

const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-gateway-'));
const folder = path.join(dir, 'resources');
mkdirSync(folder);
/** Certificates of the control plane and its proxies. */
const home = path.join(dir, 'home');

/** Written beside and moved into place: Envoy Gateway never sees half a file. */
function put(name: string, manifest: Json): void {
  writeFileSync(path.join(dir, name), JSON.stringify(manifest));
  renameSync(path.join(dir, name), path.join(folder, `${name}.json`));
}

function take(name: string): void {
  rmSync(path.join(folder, `${name}.json`));
}

const config = {
  apiVersion: 'gateway.envoyproxy.io/v1alpha1',
  kind: 'EnvoyGateway',
  gateway: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' },
  provider: {
    type: 'Custom',
    custom: {
      resource: { type: 'File', file: { paths: [folder] } },
      infrastructure: { type: 'Host', host: { configHome: home } },
    },
  },
  extensionApis: { enableBackend: true },
};
writeFileSync(path.join(dir, 'gateway.yaml'), JSON.stringify(config));

execFileSync(args.binary, ['certgen', '--local', '--config-home', home], { stdio: 'ignore' });

async function startGateway(): Promise<ChildProcess> {
  const child = spawn(args.binary, ['server', '--config-path', path.join(dir, 'gateway.yaml')]);
  const log = createWriteStream(path.join(dir, 'gateway.log'), { flags: 'a' });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  await waitFor('port 18000', () => accepts(18_000), { withinMs: 30_000, everyMs: 100 });
  return child;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function ask(port: number, target: string, headers = {}): Promise<ClientResponse | undefined> {
  return request(port, target, { headers }).catch(() => undefined);
}

async function answers(port: number, target: string, text: string, headers = {}): Promise<number> {
  const begin = performance.now();
  const says = async () => (await ask(port, target, headers))?.text === text;
  await waitFor(`${text} for ${target}`, says, { withinMs: 20_000 });
  return Math.round(performance.now() - begin);
}

async function everyKindOfRoute(port: number, tcp: number): Promise<void> {
  await answers(port, '/exact?q=v', 'green', { 'x-a': '1' });
  await answers(port, '/exact?q=v', 'blue');
  await answers(port, '/re/12', 'green');
  await answers(port, '/direct', 'teapot');
  const redirect = await ask(port, '/redirect');
  expect(redirect?.get('location') === 'https://secure.example/redirect', 'no redirect');
  const rewritten = await ask(port, '/rewrite/x');
  expect(rewritten?.get('x-set') === 's', 'the response header is not set');
  for (const plain of ['/mirror', '/timeout', '/rewrite/x', '/any']) await answers(port, plain, 'blue');
  const bodies = [];
  for (let i = 0; i < 40; i++) bodies.push((await ask(port, '/weighted'))?.text);
  const green = bodies.filter((body) => body === 'green').length;
  expect(green > 1 && green < 20, `of 40 with a share of a quarter ${green}`);
  await answers(tcp, '/', 'green');
}

const traffic = new Traffic();
const children: ChildProcess[] = [];
let proxy: RunningProxy | undefined;
try {
  const [blue, green] = [await traffic.upstream('blue'), await traffic.upstream('green')];
  const [port, tcp, other] = [await freePort(), await freePort(), await freePort()];
  const web = { name: 'http', protocol: 'HTTP', port } as const;
  const raw = { name: 'tcp', protocol: 'TCP', port: tcp } as const;
  put('class', manifests.gatewayClass);
  put('blue', manifests.backend('blue', blue));
  put('green', manifests.backend('green', green));
  put('direct', manifests.directResponse);
  put('clients', manifests.clientTraffic);
  put('backends', manifests.backendTraffic);
  put('gateway', manifests.gateway([web, raw]));
  put('tcp', manifests.tcpRoute('tcp', 'tcp', [manifests.backendRef('green')]));
  const rest = (name: string) => manifests.httpRoute('web', manifests.everyKind([manifests.backendRef(name)]), 'http');
  put('web', rest('blue'));
  children.push(await startGateway());
  // It answers a proxy that comes before its first translation only after the next change.
  await delay(3000);
  const bootstrap = gatewayBootstrap(path.join(home, 'certs'), 'proxy-1');
  // Its access logs go to /dev/stdout, which Envoy cannot open where that is a socket, as Node's pipes are.
  const command = ['sh', '-c', 'exec "$0" "$@" > /dev/null', ...commands[args.proxy]];
  proxy = await startProxy(bootstrap, { command, concurrency: 2, logLevel: 'warning' });
  console.log(`serves after ${await answers(port, '/', 'blue')} ms`);
  await everyKindOfRoute(port, tcp);
  console.log('every kind of route is served');
  if (args.record !== '') {
    const dump = await proxy.admin('/config_dump?include_eds');
    writeFileSync(args.record, recorded(dump.text, { HTTP: port, TCP: tcp, BLUE: blue, GREEN: green, READY: 19_003 }));
  }

  await traffic.take();
  traffic.load(port);
  const switches: number[] = [];
  for (let i = 0; i < 10; i++) {
    const name = i % 2 === 0 ? 'green' : 'blue';
    put('web', rest(name));
    switches.push(await answers(port, '/', name));
  }
  console.log(`10 route switches, ms: ${switches.join(', ')}`);
  for (let i = 0; i < 3; i++) {
    const added = { name: 'other', protocol: 'HTTP', port: other } as const;
    put('gateway', manifests.gateway([web, raw, added]));
    put(
      'second',
      manifests.httpRoute(
        'second',
        [{ matches: manifests.prefix('/'), backendRefs: [manifests.backendRef('green')] }],
        'other',
      ),
    );
    await answers(other, '/', 'green');
    take('second');
    put('gateway', manifests.gateway([web, raw]));
    await waitFor('the listener to go', async () => !(await accepts(other)), { withinMs: 20_000 });
  }
  console.log('a listener added and removed three times');
  children.pop()?.kill('SIGKILL');
  await delay(2000);
  children.push(await startGateway());
  put('web', rest('green'));
  console.log(`Envoy Gateway killed and restarted: a change is there ${await answers(port, '/', 'green')} ms later`);
  const seen = await traffic.take();
  const failures = [...seen.failures].map(([why, count]) => `${count} × ${why}`).join(', ');
  console.log(`${seen.answered} requests, worst ${seen.worst.toFixed(1)} ms, failed: ${failures || 'none'}`);
  const rejected = await Promise.all(
    ['cluster_manager.cds', 'listener_manager.lds'].map((scope) => proxy!.stat(`${scope}.update_rejected`)),
  );
  console.log(`refused updates: clusters ${rejected[0]}, listeners ${rejected[1]}\n${proxy.stderr().slice(0, 2000)}`);
  process.exitCode = seen.failures.size > 0 ? 1 : 0;
} finally {
  await proxy?.stop();
  for (const child of children) child.kill('SIGKILL');
  await traffic.close();
  rmSync(dir, { recursive: true, force: true });
}

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { freePort } from '../start_demo.ts';
import { EdsServer } from './eds_server.ts';
import { LabService } from './lab_service.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running) await stop();
});

test('services register and deregister at the EDS server, whose words are those of the lab', async () => {
  const [grpcPort, httpPort] = [await freePort(28_080), await freePort(25_000)];
  const eds = new EdsServer({ grpcPort, httpPort, service: 'myservice', page: () => '<h1>steps</h1>' });
  await eds.start();
  await eds.startGrpc();
  running.push(() => eds.stop());
  const registry = `http://127.0.0.1:${httpPort}`;
  const service = new LabService(registry);
  running.push(() => service.stop());
  await service.start(await freePort(28_181));
  assert.match(service.address, /^127\.0\.0\.1:\d+$/);
  assert.equal(await (await fetch(`http://${service.address}/`)).text(), service.id);
  assert.equal((await fetch(`http://${service.address}/healthz`)).status, 200);
  service.healthy = false;
  assert.equal((await fetch(`http://${service.address}/healthz`)).status, 503);
  const answer = await fetch(`${registry}/edsservice/deregister?endpoint=${service.address}`);
  assert.equal(await answer.text(), `${service.address} ok`);
  assert.equal((await fetch(`${registry}/edsservice/register?endpoint=nonsense`)).status, 400);
  assert.equal((await fetch(`${registry}/other`)).status, 404);
  assert.match(await (await fetch(`${registry}/`)).text(), /steps/);
});

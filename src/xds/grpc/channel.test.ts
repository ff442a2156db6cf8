import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ipAddress } from '../../common/address.ts';
import { CLUSTER } from '../../common/stats/layouts.ts';
import { GrpcChannel } from './channel.ts';

test('a control plane that has fallen silent is found out by PING frames', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = {
    address: ipAddress('127.0.0.1', (server.address() as AddressInfo).port),
    tls: undefined,
    connectTimeout: 1000,
    stats: new Float64Array(CLUSTER.names.length),
    keepalive: { interval: 50, timeout: 50, jitter: 10 },
  };
  const options = { cluster: 'silent', authority: 'silent', metadata: [], envoyHeaders: true };
  const channel = new GrpcChannel(options, { nextHost: () => host });
  const begin = performance.now();
  const ended = await new Promise((resolve) => {
    channel.open('/a.B/C', { onMessage() {}, onClosed: (status, message) => resolve({ status, message }) });
  });
  assert.deepEqual(ended, { status: 14, message: 'keepalive timeout' });
  assert.ok(performance.now() - begin >= 95);
  for (const socket of sockets) socket.destroy();
  server.close();
});

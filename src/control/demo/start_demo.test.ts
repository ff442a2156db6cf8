import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { parse } from 'yaml';
import { close, listen } from './demo_service.ts';
import { type Demo, startDemo } from './start_demo.ts';

interface Socket {
  address: string;
  port_value: number;
}

function sockets(demo: Demo): { listener: Socket; admin: Socket; services: Socket[] } {
  const { admin, static_resources } = parse(demo.configYaml);
  return {
    listener: static_resources.listeners[0].address.socket_address,
    admin: admin.address.socket_address,
    services: static_resources.clusters.map(
      (cluster: {
        load_assignment: { endpoints: { lb_endpoints: { endpoint: { address: { socket_address: Socket } } }[] }[] };
      }) => cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address,
    ),
  };
}

test('the demo serves what its bootstrap says, on ports that are free', async () => {
  const occupied = createServer();
  const port = await listen(occupied, 0, '127.0.0.1');
  const demo = await startDemo({ listenerPort: port, adminPort: port });
  try {
    const { listener, admin, services } = sockets(demo);
    assert.ok(admin.port_value > port);
    assert.ok(listener.port_value > port && listener.port_value !== admin.port_value);
    assert.deepEqual(
      services.map(({ address }) => address),
      ['service1', 'service2'],
    );
    for (const [index, { address, port_value }] of services.entries()) {
      for (const [replica, ip] of demo.hosts[address].entries()) {
        const response = await fetch(`http://${ip}:${port_value}/service/${index + 1}?x`);
        assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
        assert.equal(
          await response.text(),
          `Hello from behind Envoy (service ${index + 1})! hostname: ${address}-${replica + 1} resolvedhostname: ${ip}\n`,
        );
        const missing = await fetch(`http://${ip}:${port_value}/`);
        assert.equal(missing.status, 404);
        await missing.text();
      }
    }
    if (process.platform === 'linux') assert.equal(demo.hosts.service1.length, 3);
    assert.ok(demo.greeting.includes(`curl http://127.0.0.1:${listener.port_value}/service/1`));
    assert.ok(demo.greeting.includes(`http://127.0.0.1:${admin.port_value}/`));
  } finally {
    await demo.stop();
    await close(occupied);
  }
});

/** The pool over HTTP/1 connections keeps its contract. */
import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type ContractHost, poolContract } from './pool.contract.ts';

poolContract({ protocol: 'HTTP/1.1', cluster: {}, startHost });

async function startHost(): Promise<ContractHost> {
  const responses = new Map<string, ServerResponse>();
  const sockets: Socket[] = [];
  const server = http.createServer((request, response) => {
    request.resume();
    responses.set(request.url!, response);
    response.on('close', () => responses.delete(request.url!));
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return [...responses.keys()];
    },
    answer(path, body) {
      responses.get(path)!.end(body);
      responses.delete(path);
    },
    drop() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

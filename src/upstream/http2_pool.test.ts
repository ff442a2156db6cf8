/** The pool over HTTP/2 connections keeps its contract. */
import { once } from 'node:events';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type ContractHost, poolContract } from './pool.contract.ts';

poolContract({ protocol: 'HTTP/2', cluster: { http2ProtocolOptions: {} }, startHost });

async function startHost(): Promise<ContractHost> {
  const streams = new Map<string, ServerHttp2Stream>();
  const sessions: ServerHttp2Session[] = [];
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (opened, headers) => {
    const stream = opened as ServerHttp2Stream;
    const path = headers[':path']!;
    stream.resume();
    stream.on('error', () => {});
    stream.on('close', () => streams.delete(path));
    streams.set(path, stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return [...streams.keys()];
    },
    answer(path, body) {
      const stream = streams.get(path)!;
      streams.delete(path);
      stream.respond({ ':status': 200 });
      stream.end(body);
    },
    drop() {
      for (const session of sessions) session.destroy();
    },
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

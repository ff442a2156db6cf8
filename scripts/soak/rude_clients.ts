/** Clients that do not behave: they leave in the middle, stall, send what is no protocol. Nothing of theirs is answered for. */
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { preface, requestHeaders, settings, windowUpdate } from '../../test/support/raw_http2_client.ts';
import { delay } from '../../test/support/wait_for.ts';
import type { Client, Surroundings } from './good_clients.ts';

export function rudeClient({ port, random, tally }: Surroundings): Client {
  const open = async (listener: 'plain' | 'tls' | 'tcp'): Promise<net.Socket> => {
    const socket = net.connect({ host: '127.0.0.1', port: port(listener), allowHalfOpen: true });
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const leave = (socket: net.Socket): void => {
    if (random.chance(0.5)) socket.resetAndDestroy();
    else socket.destroy();
  };
  /** Sends, reads a little or nothing, and leaves. */
  const hitAndRun = async (listener: 'plain' | 'tls' | 'tcp', ...parts: (string | Buffer)[]): Promise<void> => {
    const socket = await open(listener);
    const reads = random.chance(0.5);
    if (!reads) socket.pause();
    else socket.resume();
    for (const part of parts) {
      if (socket.destroyed) return;
      socket.write(part);
      await delay(random.int(30));
    }
    leave(socket);
  };
  const upstream = () => random.pick(['h1', 'h2', 'h1s', 'h2s', 'rude1', 'rude2']);
  const large = () => `/${upstream()}/give/${random.int(1000)}/${400_000 + random.int(100_000)}`;
  const ways: Readonly<Record<string, () => Promise<void>>> = {
    'leaves in its head': () => hitAndRun('plain', 'GET /h1/give/1/1 HTTP/1.1\r\nho'),
    'leaves in its body': () =>
      hitAndRun(
        'plain',
        `POST /${upstream()}/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\n\r\n`,
        Buffer.alloc(random.int(100_000), 97),
      ),
    'leaves in a chunk': () =>
      hitAndRun(
        'plain',
        `POST /${upstream()}/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`,
        '5\r\nhello\r\n1000\r\nhalf',
      ),
    'leaves in the answer': () => hitAndRun('plain', `GET ${large()} HTTP/1.1\r\nhost: a\r\n\r\n`),
    'speaks no HTTP': () =>
      hitAndRun(
        'plain',
        random.pick(['\0\0\0', 'GET / HTTP/9.9\r\n\r\n', 'a'.repeat(70_000), 'PRI * HTTP/2.0\r\n\r\nXX']),
      ),
    'speaks no TLS': () =>
      hitAndRun('tls', random.pick(['GET / HTTP/1.1\r\n\r\n', Buffer.from([22, 3, 1, 2, 0, 1, 0]), Buffer.alloc(100)])),
    'leaves in a TCP stream': () => hitAndRun('tcp', Buffer.alloc(random.int(300_000))),
    'leaves a websocket': () =>
      hitAndRun(
        'plain',
        'GET /h1/ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: aaaaaaaaaaaaaaaaaaaaaa==\r\n\r\n',
        Buffer.alloc(random.int(300_000)),
      ),
    'breaks HTTP/2': () =>
      hitAndRun(
        'plain',
        Buffer.concat([
          preface,
          settings(),
          requestHeaders(1, [], { path: large() }),
          random.pick([windowUpdate(0, 0), requestHeaders(2), Buffer.alloc(60, 255)]),
        ]),
      ),
    'never opens its window': () =>
      hitAndRun(
        'plain',
        Buffer.concat([preface, settings([[4, 0]]), requestHeaders(1, [], { path: large() })]),
        settings(),
        settings(),
      ),
    async 'resets streams'() {
      const session = http2.connect(`http://127.0.0.1:${port('plain')}`);
      session.on('error', () => {});
      for (let i = 0; i < 10 && !session.destroyed; i++) {
        const stream = session.request({ ':path': large() });
        stream.on('error', () => {});
        if (random.chance(0.7)) stream.resume();
        setTimeout(() => stream.close(random.int(14)), random.int(20));
        await delay(random.int(10));
      }
      if (random.chance(0.5)) session.destroy();
      else {
        session.close();
        await delay(50);
        session.destroy();
      }
    },
    async 'leaves in a handshake'() {
      const socket = await open('tls');
      const secure = tls.connect({ socket, rejectUnauthorized: false });
      secure.on('error', () => {});
      await delay(random.int(4));
      leave(socket);
      secure.destroy();
    },
  };
  return {
    async work() {
      const kind = random.pick(Object.keys(ways));
      try {
        await ways[kind]();
      } catch {
        // The proxy may be the one who leaves.
      }
      tally.spoil(kind);
    },
    close() {},
  };
}

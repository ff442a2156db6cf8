/** Peers that do everything wrong at random: what they send, how they cut it, when they close. */
import { once } from 'node:events';
import net from 'node:net';
import { mutatedRequest, mutatedResponse } from '../support/mutate_http.ts';
import type { Random } from '../support/random.ts';
import { delay } from '../support/wait_for.ts';

export interface HostileUpstream {
  readonly port: number;
  close(): Promise<void>;
}

export async function startHostileUpstream(random: Random): Promise<HostileUpstream> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('end', () => socket.end());
    serve(socket, random);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(socket: net.Socket, random: Random): void {
  if (random.chance(0.02)) socket.resetAndDestroy();
  // Bytes nobody has asked for.
  if (random.chance(0.02)) socket.write(latin1(mutatedResponse(random)));
  socket.on('data', () => {
    const fate = random.next();
    if (fate < 0.05) socket.resetAndDestroy();
    else if (fate < 0.1) socket.end();
    else if (fate < 0.13) return;
    else void answer(socket, random);
  });
}

async function answer(socket: net.Socket, random: Random): Promise<void> {
  if (random.chance(0.1)) await delay(random.int(30));
  await writePieces(socket, mutatedResponse(random), random);
  const fate = random.next();
  if (fate < 0.1) socket.resetAndDestroy();
  else if (fate < 0.3) socket.end();
  else if (fate < 0.35) socket.write(latin1(mutatedResponse(random)));
}

/** One connection of a client; ends when the proxy closes it, or when the client has had enough. */
export async function hostileExchange(port: number, random: Random): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.once('end', () => socket.end());
  if (random.chance(0.9)) socket.resume();
  for (let requests = 1 + random.int(3); requests > 0 && !socket.destroyed; requests--) {
    await writePieces(socket, mutatedRequest(random), random);
    if (random.chance(0.3)) await delay(random.int(20));
  }
  const fate = random.next();
  if (fate < 0.15) socket.resetAndDestroy();
  else if (fate < 0.3) socket.destroy();
  else if (fate < 0.45) socket.end();
  await Promise.race([closed, delay(20 + random.int(80))]);
  socket.destroy();
}

/** Whole, or cut at random places, each piece a write of its own. */
async function writePieces(socket: net.Socket, text: string, random: Random): Promise<void> {
  let at = 0;
  for (let cuts = random.chance(0.5) ? 0 : 1 + random.int(4); cuts > 0 && at < text.length; cuts--) {
    const end = at + random.int(text.length - at + 1);
    if (!socket.destroyed) socket.write(latin1(text.slice(at, end)));
    at = end;
    await delay(random.int(2));
  }
  if (!socket.destroyed) socket.write(latin1(text.slice(at)));
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A loopback port that never answers a SYN: its process does not accept, and its queue of connections is full. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { delay } from './wait_for.ts';

/** Listens, tells its port, and then blocks its only thread for good. */
const listener = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port) + '\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

export interface Blackhole {
  readonly port: number;
  close(): void;
}

/** Fills the queue until a connect stays without an answer. */
export async function startBlackhole(): Promise<Blackhole> {
  const child = spawn(process.execPath, ['-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  const port = Number(String(line));
  const sockets: net.Socket[] = [];
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
  };
  for (let i = 0; i < 16; i++) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    const connected = await Promise.race([once(socket, 'connect').then(() => true), delay(300).then(() => false)]);
    if (!connected) return { port, close };
  }
  close();
  throw new Error('the queue of connections never filled up');
}

/**
 * The thread of the host behind an attacked proxy, so that what it does is not felt by the well-behaved client. Says its port.
 * It answers GET by the path, and swallows what comes with POST: to parse a million chunks would be its own ruin.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parentPort } from 'node:worker_threads';

const head = (length: number): string => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`;
const well = `${head(4)}well`;
const large = Buffer.alloc(1024 * 1024, 'x');

const server = net.createServer({ noDelay: true }, (socket) => {
  let rest = '';
  let swallows = false;
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    if (swallows) return;
    const heads = (rest + bytes.latin1Slice()).split('\r\n\r\n');
    swallows = heads[0].startsWith('POST ');
    rest = heads.pop()!;
    if (swallows) return;
    for (const request of heads) {
      if (!request.startsWith('GET /large ')) socket.write(well);
      else {
        socket.write(head(large.length));
        socket.write(large);
      }
    }
  });
});
// A thousand connections come at once.
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
await once(server, 'listening');
parentPort!.postMessage((server.address() as net.AddressInfo).port);

/** The server behind the benches, a process of its own: answers on bare sockets, so that it is never what is measured. */
import net from 'node:net';

const bodies: Record<string, Buffer> = { '/': Buffer.alloc(64, 'x'), '/16k': Buffer.alloc(16_384, 'x') };
const answers = new Map(
  Object.entries(bodies).map(([path, body]) => [
    path,
    Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n`),
      body,
    ]),
  ]),
);
const fallback = answers.get('/') as Buffer;

/** Reads requests one at a time (no chunked bodies: the benches send none) and answers each by its path. */
function serve(socket: net.Socket): void {
  let pending = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1');
    for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
      const length = Number(pending.slice(0, end).match(/\r\ncontent-length: (\d+)/i)?.[1] ?? 0);
      if (pending.length < end + 4 + length) return;
      const path = pending.slice(pending.indexOf(' ') + 1, pending.indexOf(' HTTP/'));
      pending = pending.slice(end + 4 + length);
      socket.write(answers.get(path) ?? fallback);
    }
  });
}

const server = net.createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }));
process.on('disconnect', () => process.exit());

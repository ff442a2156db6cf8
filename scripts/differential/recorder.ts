/** An upstream that notes every byte, connection by connection, and answers each request that is whole by its own reading. */
import { once } from 'node:events';
import net from 'node:net';
import { delay } from '../../test/support/wait_for.ts';
import { readRequests } from './read_requests.ts';

const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
/** Of one connection: more is not looked at. */
const mostKept = 1024 * 1024;

export class Recorder {
  readonly port: number;
  private readonly server: net.Server;
  private received: Buffer[] = [];
  private lastEvent = 0;

  private constructor(server: net.Server) {
    this.server = server;
    this.port = (server.address() as net.AddressInfo).port;
    server.on('connection', (socket) => this.onConnection(socket));
  }

  static async start(): Promise<Recorder> {
    const server = net.createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Recorder(server);
  }

  begin(): void {
    this.received = [];
  }

  end(): Buffer[] {
    return this.received;
  }

  /** Waits until nothing has come for a moment. */
  async settle(): Promise<void> {
    await delay(2);
    while (performance.now() - this.lastEvent < 2) await delay(1);
  }

  close(): void {
    this.server.close();
  }

  private onConnection(socket: net.Socket): void {
    let received: Buffer[] | undefined;
    let index = 0;
    let answered = 0;
    this.lastEvent = performance.now();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.lastEvent = performance.now();
      if (received === undefined) {
        // A connection may have been opened for an exchange that was given up, and be used by a later one.
        received = this.received;
        index = received.push(Buffer.alloc(0)) - 1;
      }
      if (received[index].length > mostKept) return;
      received[index] = Buffer.concat([received[index], chunk]);
      const { requests } = readRequests(received[index]);
      for (; answered < requests.length; answered++) {
        socket.write(requests[answered].method === 'HEAD' ? answer.slice(0, -2) : answer);
      }
    });
  }
}

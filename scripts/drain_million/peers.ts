/** A client and an upstream made for many requests: every answer must carry the number of its request, and none may be missing. */
import { once } from 'node:events';
import net from 'node:net';

/** What happened to the requests of a run. */
export class Tally {
  answered = 0;
  /** The head was sent, and neither an answer nor a sign came that it was not taken. */
  lost = 0;
  /** Of them on a connection on which nothing had been answered yet. */
  lostOnNew = 0;
  wrong = 0;
  refused = 0;
  /** Answers that announced the end of their connection. */
  lastAnswers = 0;
  connections = 0;
}

/** A client connection after another, one request at a time on each, until `more` answers false. */
export class Lane {
  private readonly port: number;
  private readonly tally: Tally;
  private readonly more: () => number;
  private socket: net.Socket | undefined;
  private number = -1;
  private text = '';
  private answeredHere = 0;
  private finish!: () => void;
  readonly done = new Promise<void>((resolve) => {
    this.finish = resolve;
  });

  /** `more` gives the number of the next request, or -1. */
  constructor(port: number, tally: Tally, more: () => number) {
    this.port = port;
    this.tally = tally;
    this.more = more;
    this.connect();
  }

  private connect(): void {
    const socket = net.connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.socket = socket;
    this.answeredHere = 0;
    this.tally.connections++;
    let connected = false;
    socket.on('connect', () => {
      connected = true;
      // A request that was lost is not sent again: it counts as lost.
      this.next();
    });
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.socket !== socket) return;
      if (!connected) this.tally.refused++;
      else if (this.number >= 0) {
        this.tally.lost++;
        if (this.answeredHere === 0) this.tally.lostOnNew++;
      }
      this.number = -1;
      this.text = '';
      setImmediate(() => this.connect());
    });
  }

  private next(): void {
    this.number = this.more();
    if (this.number < 0) {
      const { socket } = this;
      this.socket = undefined;
      socket?.destroy();
      this.finish();
      return;
    }
    this.socket!.write(requestOf(this.number), 'latin1');
  }

  private onData(chunk: Buffer): void {
    this.text += chunk.latin1Slice(0, chunk.length);
    const headEnd = this.text.indexOf('\r\n\r\n');
    if (headEnd < 0 || this.text.length < headEnd + 4 + bodyLength) return;
    const { tally, text } = this;
    if (text.startsWith('HTTP/1.1 200 ') && text.slice(headEnd + 4) === bodyOf(this.number)) tally.answered++;
    else tally.wrong++;
    this.answeredHere++;
    this.text = '';
    this.number = -1;
    if (!text.slice(0, headEnd).includes('connection: close')) {
      this.next();
      return;
    }
    tally.lastAnswers++;
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
    this.connect();
  }
}

const bodyLength = 12;

function bodyOf(number: number): string {
  return String(number).padStart(bodyLength, '0');
}

/** Every fourth request is a POST. */
function requestOf(number: number): string {
  const body = bodyOf(number);
  if (number % 4 !== 0) return `GET /${body} HTTP/1.1\r\nhost: test\r\n\r\n`;
  return `POST /post HTTP/1.1\r\nhost: test\r\ncontent-length: ${bodyLength}\r\n\r\n${body}`;
}

/** Answers with the number in the path, or in the body of a POST. */
export async function startNumberUpstream(): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.latin1Slice(0, chunk.length);
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const post = text.startsWith('POST');
        const used = end + 4 + (post ? bodyLength : 0);
        if (text.length < used) return;
        const body = post ? text.slice(end + 4, used) : text.slice(5, 5 + bodyLength);
        text = text.slice(used);
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bodyLength}\r\n\r\n${body}`, 'latin1');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

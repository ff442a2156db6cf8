/** Node's own HTTP/2 as the other end, in both roles, over loopback sockets: random bodies, windows, trailers and resets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { map, OPTIONS, requestHead, responseHead } from '../../test/support/http2_peers.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../headers/header_map.ts';
import { headerName } from '../headers/header_name.ts';
import { ClientCodec } from './client_codec.ts';
import {
  ErrorCode,
  type Http2Codec,
  type Http2Error,
  type Http2Options,
  type Http2ServerEvents,
  type Http2Stream,
  type Http2StreamReceiver,
} from './codec.ts';
import { ServerCodec } from './server_codec.ts';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() & 0xffffff);
console.log(`http2 node peer: FUZZ_SEED=${seed}`);
let state = seed;
const random = (below: number): number => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return (state >>> 8) % below;
};

const PATTERN = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 13 + (i >> 8)) & 0xff));
const TRAILER = headerName('x-trailer');
const LENGTH = headerName('x-length');
const EXCHANGES = 90;

/** A codec on a socket that it may find full. */
class Driver implements Http2ServerEvents {
  codec!: Http2Codec;
  onRequest: Http2ServerEvents['onRequest'] = () => {};
  private readonly socket: Socket;
  private scheduled = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.codec.receive(bytes, 0, bytes.length));
    socket.on('drain', () => this.flush());
    socket.on('error', () => {});
    socket.on('close', () => this.codec.close());
  }

  onOutput(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.socket.writableNeedDrain) this.flush();
    });
  }
  onConnectionError(error: Http2Error): void {
    assert.fail(error.reason);
  }
  onRequestRefused(error: Http2Error): void {
    assert.fail(error.reason);
  }
  onSettings(): void {}
  onGoAway(): void {}
  onPingAck(): void {}
  onIdle(): void {}
  onCount(): void {}

  private flush(): void {
    this.codec.flush((bytes, start, end) => this.socket.write(Buffer.from(bytes.subarray(start, end))));
  }
}

function randomOptions(): Http2Options {
  return {
    ...OPTIONS,
    maxConcurrentStreams: 1000,
    initialStreamWindowSize: [65_535, 200_000, 16 << 20][random(3)],
    initialConnectionWindowSize: [65_535, 500_000][random(2)],
    streamBufferLimit: [1000, 65_536][random(2)],
    hpackTableSize: [0, 100, 4096][random(3)],
  };
}

/** Sends the pattern in random pieces, waiting when it must; with a trailer or without. */
class Producer {
  private readonly stream: Http2Stream;
  private readonly length: number;
  private readonly trailer: boolean;
  private at = 0;
  private ended = false;

  constructor(stream: Http2Stream, length: number, trailer: boolean) {
    this.stream = stream;
    this.length = length;
    this.trailer = trailer;
  }

  run(): void {
    while (!this.stream.blocked && !this.ended) {
      const end = Math.min(this.length, this.at + 1 + random(50_000));
      this.ended = end === this.length;
      this.stream.sendData(PATTERN, this.at, end, this.ended && !this.trailer);
      this.at = end;
    }
    if (this.ended && this.trailer && this.at >= 0) {
      this.at = -1;
      this.stream.sendTrailers(map({ 'x-trailer': 'end' }));
    }
  }
}

class Answering implements Http2StreamReceiver {
  private readonly stream: Http2Stream;
  private readonly wanted: number;
  private received = 0;
  private producer: Producer | undefined;

  constructor(stream: Http2Stream, head: RequestHead, endStream: boolean) {
    this.stream = stream;
    this.wanted = Number(head.path.slice(1));
    stream.receiver = this;
    if (endStream) this.answer();
  }
  onData(bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    assert.ok(PATTERN.subarray(this.received, this.received + end - start).equals(bytes.subarray(start, end)));
    this.received += end - start;
    if (random(20) === 0) {
      this.stream.pause();
      setImmediate(() => this.stream.resume());
    }
    if (endStream) this.answer();
  }
  onTrailers(trailers: HeaderMap): void {
    assert.equal(trailers.get(TRAILER), 'end');
    this.answer();
  }
  onReset(): void {}
  onBlocked(): void {}
  onWritable(): void {
    this.producer?.run();
  }
  onComplete(): void {}

  private answer(): void {
    this.stream.sendInformational(responseHead(103));
    this.stream.sendResponse(responseHead(200, { 'x-length': String(this.received) }), false);
    this.producer = new Producer(this.stream, this.wanted, random(2) === 0);
    this.producer.run();
  }
}

test('node:http2 as the client of our server', { timeout: 30_000 }, async () => {
  const server = net.createServer((socket) => {
    const driver = new Driver(socket);
    driver.codec = new ServerCodec(driver, randomOptions());
    driver.onRequest = (stream, head, endStream) => void new Answering(stream, head, endStream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (let connection = 0; connection < 3; connection++) {
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      settings: { initialWindowSize: [8000, 65_535, 1 << 20][connection] },
    });
    await Promise.all(Array.from({ length: EXCHANGES / 3 }, () => nodeRequest(session)));
    session.close();
    await once(session, 'close');
  }
  server.close();
});

async function nodeRequest(session: http2.ClientHttp2Session): Promise<void> {
  const up = random(3) === 0 ? 0 : random(200_000);
  const down = random(200_000);
  const trailer = random(2) === 0;
  const request = session.request({ ':method': 'POST', ':path': `/${down}` }, { waitForTrailers: trailer });
  request.on('error', () => {});
  request.on('wantTrailers', () => request.sendTrailers({ 'x-trailer': 'end' }));
  request.end(PATTERN.subarray(0, up));
  if (random(10) === 0) {
    setImmediate(() => request.close(http2.constants.NGHTTP2_CANCEL));
    await once(request, 'close');
    return;
  }
  let length = '';
  request.on('response', (head) => {
    length = String(head['x-length']);
  });
  const got: Buffer[] = [];
  request.on('data', (piece: Buffer) => got.push(piece));
  await once(request, 'end');
  assert.equal(length, String(up));
  assert.ok(Buffer.concat(got).equals(PATTERN.subarray(0, down)));
}

class Asking implements Http2StreamReceiver {
  producer: Producer | undefined;
  private readonly done: (problem: string) => void;
  private readonly up: number;
  private readonly down: number;
  private received = 0;

  constructor(up: number, down: number, done: (problem: string) => void) {
    this.up = up;
    this.down = down;
    this.done = done;
  }
  onInformational(): void {}
  onResponse(head: ResponseHead): void {
    assert.equal(head.headers.get(LENGTH), String(this.up));
  }
  onData(bytes: Uint8Array, start: number, end: number): void {
    assert.ok(PATTERN.subarray(this.received, this.received + end - start).equals(bytes.subarray(start, end)));
    this.received += end - start;
  }
  onTrailers(): void {}
  onReset(code: ErrorCode, remote: boolean): void {
    this.done(`reset ${code} ${remote}`);
  }
  onBlocked(): void {}
  onWritable(): void {
    this.producer?.run();
  }
  onComplete(): void {
    this.done(this.received === this.down ? '' : `${this.received} of ${this.down}`);
  }
}

function ourRequest(client: ClientCodec): Promise<string> {
  const up = 1 + random(200_000);
  const down = random(200_000);
  return new Promise((resolve) => {
    const receiver = new Asking(up, down, resolve);
    const stream = client.open(receiver, requestHead('POST', `/${down}`), false)!;
    receiver.producer = new Producer(stream, up, random(2) === 0);
    receiver.producer.run();
    if (random(10) > 0) return;
    setImmediate(() => {
      stream.reset(ErrorCode.Cancel);
      resolve('');
    });
  });
}

test('node:http2 as the server of our client', { timeout: 30_000 }, async () => {
  const server = http2.createServer({ settings: { initialWindowSize: [8000, 65_535, 1 << 20][random(3)] } });
  server.on('stream', (stream: http2.ServerHttp2Stream, head) => {
    let received = 0;
    stream.on('error', () => {});
    stream.on('data', (piece: Buffer) => {
      received += piece.length;
    });
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'x-length': String(received) }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': 'end' }));
      stream.end(PATTERN.subarray(0, Number(String(head[':path']).slice(1))));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (let connection = 0; connection < 3; connection++) {
    const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const driver = new Driver(socket);
    const client = new ClientCodec(driver, randomOptions());
    driver.codec = client;
    const problems = await Promise.all(Array.from({ length: EXCHANGES / 3 }, () => ourRequest(client)));
    assert.deepEqual(problems.filter(Boolean), []);
    socket.destroy();
  }
  server.close();
});

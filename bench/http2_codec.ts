/** Micro-bench of the HTTP/2 codec: microseconds a request with its answer, best of some rounds. Run by `node bench/http2_codec.ts`. */
import type { Bytes } from '../native-free/bytes/bytes.ts';
import { HeaderMap } from '../native-free/headers/header_map.ts';
import { headerName } from '../native-free/headers/header_name.ts';
import { ClientCodec } from '../native-free/http2/client_codec.ts';
import type { Http2Codec, Http2ServerEvents, Http2StreamReceiver } from '../native-free/http2/codec.ts';
import { ServerCodec } from '../native-free/http2/server_codec.ts';
import { OPTIONS } from '../test/support/http2_peers.ts';

const ROUNDS = 5;
const REQUESTS = 50_000;
const LIMITS = {
  ...OPTIONS,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16 << 20,
  initialConnectionWindowSize: 24 << 20,
};

const NAMES = ['content-type', 'content-length', 'date', 'server', 'x-envoy-upstream-service-time'].map(headerName);
const VALUES = ['text/plain', '64', 'Sat, 21 Nov 2026 11:00:00 GMT', 'envoy', '1'];
const BODY = Buffer.alloc(64, 'a');

const nobody: Http2StreamReceiver = {
  onResponse() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onBlocked() {},
  onWritable() {},
  onComplete() {},
};

const events: Http2ServerEvents = {
  onRequest(stream) {
    stream.receiver = nobody;
    const headers = new HeaderMap();
    for (let i = 0; i < NAMES.length; i++) headers.add(NAMES[i], VALUES[i]);
    stream.sendResponse({ status: 200, protocol: 'HTTP/2', headers }, false);
    stream.sendData(BODY, 0, BODY.length, true);
  },
  onRequestRefused: (error) => console.error(error),
  onConnectionError: (error) => console.error(error),
  onOutput() {},
  onSettings() {},
  onGoAway() {},
  onPingAck() {},
  onIdle() {},
  onCount() {},
};

const wire = Buffer.alloc(1 << 20);
let used = 0;
function take(bytes: Bytes, start: number, end: number): boolean {
  wire.set(bytes.subarray(start, end), used);
  used += end - start;
  return true;
}

function flush(codec: Http2Codec): void {
  used = 0;
  codec.flush(take);
}

const request = new HeaderMap();
request.add(headerName('user-agent'), 'h2load nghttp2/1.52.0');
request.add(headerName('accept'), '*/*');
const head = { method: 'GET', path: '/a/1', authority: 'example.com', scheme: 'http', headers: request } as const;

/** Requests in one read, answers in one write. */
function measure(together: number): void {
  const server = new ServerCodec(events, LIMITS);
  const client = new ClientCodec(events, LIMITS);
  let bestServer = Number.POSITIVE_INFINITY;
  let bestClient = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    let serverTime = 0;
    let clientTime = 0;
    for (let sent = 0; sent < REQUESTS; sent += together) {
      const begin = performance.now();
      for (let i = 0; i < together; i++) client.open(nobody, { ...head, protocol: 'HTTP/2' }, true);
      flush(client);
      const asked = performance.now();
      server.receive(wire, 0, used);
      flush(server);
      const answered = performance.now();
      client.receive(wire, 0, used);
      serverTime += answered - asked;
      clientTime += asked - begin + performance.now() - answered;
    }
    bestServer = Math.min(bestServer, (serverTime * 1000) / REQUESTS);
    bestClient = Math.min(bestClient, (clientTime * 1000) / REQUESTS);
  }
  const figures = `server ${bestServer.toFixed(2)} µs, client ${bestClient.toFixed(2)} µs`;
  console.log(`request and answer, ${String(together).padStart(3)} in a read: ${figures}`);
}

for (const together of [1, 16, 100]) measure(together);

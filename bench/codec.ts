/** Micro-bench of the HTTP/1 codec: nanoseconds a message, best of some rounds. Run by `node bench/codec.ts`. */
import { HeaderMap } from '../native-free/headers/header_map.ts';
import { headerName } from '../native-free/headers/header_name.ts';
import { encodeRequestHead, encodeResponseHead } from '../native-free/http1/encoder.ts';
import { Http1RequestDecoder } from '../native-free/http1/request_decoder.ts';
import { Http1ResponseDecoder } from '../native-free/http1/response_decoder.ts';

const ROUNDS = 7;
const CALLS = 100_000;

let sink = 0;

/** Best mean time of one call, in nanoseconds. */
function measure(label: string, call: () => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) call();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / CALLS);
  }
  console.log(`${label.padEnd(44)} ${best.toFixed(0).padStart(6)} ns`);
}

const events = {
  onRequestHead: (): void => {
    sink++;
  },
  onResponseHead: (): void => {
    sink++;
  },
  onInformational: (): void => {},
  onBody: (_bytes: unknown, start: number, end: number): void => {
    sink += end - start;
  },
  onTrailers: (): void => {},
  onMessageComplete: (): void => {
    sink++;
  },
  onCodecError: (error: { reason: string }): void => {
    throw new Error(error.reason);
  },
};
const limits = { maxHeadBytes: 60 * 1024, maxHeaders: 100, enableTrailers: false };
const requests = new Http1RequestDecoder(events, {
  ...limits,
  acceptHttp10: false,
  defaultHostForHttp10: '',
  allowAbsoluteUrl: true,
  headersWithUnderscores: 'ALLOW',
});
const responses = new Http1ResponseDecoder(events, limits);

const TEN_HEADERS: readonly [string, string][] = [
  [
    'user-agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36',
  ],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['accept-language', 'en-US,en;q=0.9,de;q=0.8'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['referer', 'https://www.example.com/shop/catalogue/index.html'],
  ['cookie', 'session=0123456789abcdef0123456789abcdef; theme=dark'],
  ['cache-control', 'no-cache'],
  ['x-request-id', '6f1c2a34-9b7d-4e21-8a55-0c9d3e7f1b20'],
  ['authorization', 'Bearer 0123456789abcdef0123456789abcdef'],
];

function mapOf(fields: readonly (readonly [string, string])[]): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of fields) map.add(headerName(name), value);
  return map;
}

/** One request or response head in a buffer of its own, fed whole. */
function decoding(decoder: Http1RequestDecoder | Http1ResponseDecoder, text: string): () => void {
  const bytes = Buffer.from(text, 'latin1');
  return () => {
    if (decoder instanceof Http1ResponseDecoder) decoder.expect('GET');
    decoder.decode(bytes, 0, bytes.length);
  };
}

const ten = mapOf(TEN_HEADERS);
const twelve = mapOf([...TEN_HEADERS, ['x-forwarded-proto', 'http'], ['x-envoy-expected-rq-timeout-ms', '15000']]);
const small = 'GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n';
const large = encodeRequestHead('GET', '/shop/item?id=42', 'www.example.com', ten, 'none');
const answer = mapOf([
  ['content-type', 'text/plain'],
  ['content-length', '64'],
  ['x-envoy-upstream-service-time', '1'],
  ['date', 'Sat, 21 Nov 2026 08:00:00 GMT'],
  ['server', 'envoy'],
]);
const slab = Buffer.alloc(4096);

console.log(`node ${process.version}; ${large.length} bytes in the large head; best of ${ROUNDS} x ${CALLS}`);
measure('parse request, 1 header', decoding(requests, small));
measure('parse request, 10 headers', decoding(requests, large));
measure(
  'parse response, 5 headers and 64 bytes',
  decoding(responses, encodeResponseHead(200, answer, 'length') + 'x'.repeat(64)),
);
measure('encode response, 5 headers, to bytes', () => {
  sink += slab.latin1Write(encodeResponseHead(200, answer, 'length'), 0);
});
measure('encode request, 12 headers, to bytes', () => {
  sink += slab.latin1Write(encodeRequestHead('GET', '/shop/item?id=42', 'www.example.com', twelve, 'none'), 0);
});
const oneSmall = decoding(requests, small);
const oneLarge = decoding(requests, large);
measure('parse both in turn (one of each)', () => {
  oneSmall();
  oneLarge();
});
if (sink === 0) console.log('nothing was measured');

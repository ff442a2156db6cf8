/**
 * Two of our own ends, joined in memory, and a list of random actions on them: what one side sent the other got, in order
 * and unchanged, windows hold, every stream ends once, every buffer comes back. FUZZ_SEED repeats a run, FUZZ_SCALE lengthens it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { map, OPTIONS, requestHead, responseHead } from '../../test/support/http2_peers.ts';
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../headers/header_map.ts';
import { ClientCodec } from './client_codec.ts';
import type {
  ErrorCode,
  Http2Codec,
  Http2Error,
  Http2Options,
  Http2ServerEvents,
  Http2Stream,
  Http2StreamReceiver,
} from './codec.ts';
import { lentChunks } from './output/chunk_pool.ts';
import { ServerCodec } from './server_codec.ts';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fffffff);
const scale = Number(process.env['FUZZ_SCALE'] ?? 1);
console.log(`http2 pair fuzz: FUZZ_SEED=${seed} FUZZ_SCALE=${scale}`);

const PATTERN = Buffer.from(Array.from({ length: 1 << 18 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
const LONGEST = 60_000;

/** One direction of one stream. */
interface Way {
  sent: number;
  got: number;
  ended: boolean;
  gotEnd: boolean;
  trailers: string;
  gotTrailers: string;
}

const newWay = (): Way => ({ sent: 0, got: 0, ended: false, gotEnd: false, trailers: '', gotTrailers: '' });

/** What both ends know of one stream. */
interface Exchange {
  id: number;
  up: Way;
  down: Way;
  /** Somebody reset it, or the connection turned it away: it need not be whole. */
  cut: boolean;
}

class End implements Http2StreamReceiver {
  readonly exchange: Exchange;
  readonly incoming: Way;
  readonly outgoing: Way;
  readonly link: Link;
  stream: Http2Stream | undefined;
  over = false;
  pauses = 0;
  headSent = false;

  constructor(link: Link, exchange: Exchange, client: boolean) {
    this.link = link;
    this.exchange = exchange;
    this.incoming = client ? exchange.down : exchange.up;
    this.outgoing = client ? exchange.up : exchange.down;
  }

  onResponse(_head: ResponseHead, endStream: boolean): void {
    if (endStream) this.incoming.gotEnd = true;
  }

  onData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    const { incoming } = this;
    assert.equal(this.over, false);
    assert.equal(incoming.gotEnd, false);
    const expected = PATTERN.subarray(incoming.got, incoming.got + end - start);
    assert.ok(expected.equals(bytes.subarray(start, end)), 'bytes as sent');
    incoming.got += end - start;
    if (endStream) incoming.gotEnd = true;
  }

  onTrailers(trailers: HeaderMap): void {
    assert.equal(this.incoming.gotEnd, false);
    this.incoming.gotEnd = true;
    this.incoming.gotTrailers = trailers.values.join();
  }

  onReset(_code: ErrorCode, remote: boolean, error: Http2Error | undefined): void {
    assert.equal(this.over, false);
    assert.equal(remote ? undefined : error, undefined);
    assert.ok(remote || this.link.closed);
    this.over = true;
    this.exchange.cut = true;
  }

  onBlocked(): void {
    assert.equal(this.stream!.blocked, true);
  }

  onWritable(): void {
    assert.equal(this.stream!.blocked, false);
  }

  onComplete(): void {
    assert.equal(this.over, false);
    this.over = true;
    assert.equal(this.stream!.closed, true);
  }

  /** Bytes of the pattern, from where it stopped. */
  send(length: number, endStream: boolean): void {
    const { stream, outgoing } = this;
    if (stream === undefined || this.over || outgoing.ended || !this.headSent) return;
    const size = Math.min(length, PATTERN.length - outgoing.sent);
    stream.sendData(PATTERN, outgoing.sent, outgoing.sent + size, endStream);
    outgoing.sent += size;
    outgoing.ended = endStream;
  }

  sendTrailers(value: string): void {
    const { stream, outgoing } = this;
    if (stream === undefined || this.over || outgoing.ended || !this.headSent) return;
    outgoing.ended = true;
    outgoing.trailers = value;
    stream.sendTrailers(map({ 'x-trailer': value }));
  }

  reset(code: ErrorCode): void {
    if (this.stream === undefined || this.over) return;
    this.exchange.cut = true;
    // NO_ERROR behind a complete message lets it end by itself.
    if (code !== 0 || !this.outgoing.ended) this.over = true;
    this.stream.reset(code);
  }

  pause(): void {
    this.pauses++;
    this.stream?.pause();
  }

  resume(): void {
    if (this.pauses === 0) return;
    this.pauses--;
    this.stream?.resume();
  }
}

class Link implements Http2ServerEvents {
  readonly client: ClientCodec;
  readonly server: ServerCodec;
  readonly clients: End[] = [];
  readonly servers: End[] = [];
  closed = false;
  private readonly exchanges = new Map<number, Exchange>();
  private toServer: Buffer = Buffer.alloc(0);
  private toClient: Buffer = Buffer.alloc(0);

  constructor(client: Http2Options, server: Http2Options) {
    this.client = new ClientCodec(this, client);
    this.server = new ServerCodec(this, server);
    // Windows below the default are only known once SETTINGS have been exchanged.
    for (let i = 0; i < 3; i++) this.pump(1e9);
  }

  onRequest(stream: Http2Stream, _head: RequestHead, endStream: boolean): void {
    const end = new End(this, this.exchanges.get(stream.id)!, false);
    end.stream = stream;
    stream.receiver = end;
    if (endStream) end.incoming.gotEnd = true;
    this.servers.push(end);
  }

  onRequestRefused(error: Http2Error): void {
    assert.fail(error.reason);
  }
  onConnectionError(error: Http2Error): void {
    assert.fail(error.reason);
  }
  onOutput(): void {}
  onSettings(): void {}
  onGoAway(): void {}
  onPingAck(): void {}
  onIdle(): void {}
  onCount(): void {}

  open(endStream: boolean): void {
    const exchange = { id: 0, up: newWay(), down: newWay(), cut: false };
    const end = new End(this, exchange, true);
    const stream = this.client.open(end, requestHead('POST', `/${this.clients.length}`, { 'x-a': 'b' }), endStream);
    if (stream === undefined) return;
    end.stream = stream;
    end.headSent = true;
    exchange.up.ended = endStream;
    exchange.id = stream.id;
    this.exchanges.set(stream.id, exchange);
    this.clients.push(end);
  }

  respond(end: End, endStream: boolean): void {
    if (end.headSent || end.over) return;
    end.headSent = true;
    end.outgoing.ended = endStream;
    end.stream!.sendResponse(responseHead(200, { 'x-b': 'c' }), endStream);
  }

  /** Both ways, at most so many bytes each. */
  pump(most: number): void {
    this.toServer = Buffer.concat([this.toServer, flushed(this.client, most)]);
    this.toClient = Buffer.concat([this.toClient, flushed(this.server, most)]);
    const up = Math.min(most, this.toServer.length);
    const down = Math.min(most, this.toClient.length);
    this.server.receive(this.toServer, 0, up);
    this.client.receive(this.toClient, 0, down);
    this.toServer = this.toServer.subarray(up);
    this.toClient = this.toClient.subarray(down);
  }

  get moving(): boolean {
    return this.client.hasOutput || this.server.hasOutput || this.toServer.length > 0 || this.toClient.length > 0;
  }

  *ends(): Generator<End> {
    yield* this.clients;
    yield* this.servers;
  }
}

function flushed(codec: Http2Codec, most: number): Buffer {
  const pieces: Buffer[] = [];
  let taken = 0;
  codec.flush((bytes, start, end) => {
    pieces.push(Buffer.from(bytes.subarray(start, end)));
    taken += end - start;
    return taken < most;
  });
  return Buffer.concat(pieces);
}

/** What must hold at any time. */
function checkWindows(link: Link): void {
  for (const codec of [link.client, link.server]) {
    const inside = codec as unknown as {
      receiveWindow: number;
      streams: Map<number, { receiveWindow: number; waiting: number; withheld: number }>;
    };
    let waiting = 0;
    assert.ok(inside.receiveWindow >= 0);
    for (const stream of inside.streams.values()) {
      assert.ok(stream.receiveWindow >= 0);
      waiting += stream.waiting;
    }
    assert.equal(codec.waitingBytes, waiting);
  }
}

type Action =
  | { what: 'open'; end: boolean }
  | { what: 'respond'; at: number; end: boolean }
  | { what: 'data'; client: boolean; at: number; length: number; end: boolean }
  | { what: 'trailers' | 'pause' | 'resume'; client: boolean; at: number }
  | { what: 'reset'; client: boolean; at: number; code: ErrorCode }
  | { what: 'ping'; client: boolean }
  | { what: 'goaway'; last: boolean }
  | { what: 'pump'; most: number };

function act(link: Link, action: Action): void {
  const of = (list: End[], at: number): End | undefined => list[list.length === 0 ? 0 : at % list.length];
  const end =
    'client' in action && 'at' in action ? of(action.client ? link.clients : link.servers, action.at) : undefined;
  switch (action.what) {
    case 'open':
      link.open(action.end);
      break;
    case 'respond': {
      const server = of(link.servers, action.at);
      if (server !== undefined) link.respond(server, action.end);
      break;
    }
    case 'data':
      end?.send(action.length, action.end);
      break;
    case 'trailers':
      end?.sendTrailers(`v${action.at}`);
      break;
    case 'reset':
      end?.reset(action.code);
      break;
    case 'pause':
      end?.pause();
      break;
    case 'resume':
      end?.resume();
      break;
    case 'ping':
      (action.client ? link.client : link.server).ping();
      break;
    case 'goaway':
      link.server.goAway(0, action.last);
      break;
    case 'pump':
      link.pump(action.most);
      break;
  }
}

/** Lets everything go on and end. */
function settle(link: Link): void {
  for (const end of link.ends()) while (end.pauses > 0) end.resume();
  for (let rounds = 0; link.moving; rounds++) {
    assert.ok(rounds < 200_000, 'it comes to rest');
    link.pump(1e9);
  }
  for (const end of link.servers) link.respond(end, false);
  for (const end of link.ends()) end.send(1, true);
  for (let rounds = 0; link.moving; rounds++) {
    assert.ok(rounds < 200_000, 'it comes to rest');
    link.pump(1e9);
  }
}

function checkExchanges(link: Link): void {
  for (const { exchange, over } of link.ends()) {
    for (const way of [exchange.up, exchange.down]) {
      assert.ok(way.got <= way.sent);
      if (exchange.cut) continue;
      assert.deepEqual([way.got, way.gotEnd, way.gotTrailers], [way.sent, true, way.trailers], `stream ${exchange.id}`);
    }
    assert.equal(over, true, `stream ${exchange.id} is over`);
  }
  assert.equal(link.client.activeStreams + link.server.activeStreams, 0);
}

const at = fc.nat(20);
const length = fc.oneof(fc.nat(20), fc.nat(2000), fc.nat(LONGEST));
const rarely = fc.nat(9).map((n) => n === 0);
const actions = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ what: fc.constant('open' as const), end: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('respond' as const), at, end: rarely }) },
    {
      weight: 10,
      arbitrary: fc.record({ what: fc.constant('data' as const), client: fc.boolean(), at, length, end: rarely }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        what: fc.constantFrom('trailers' as const, 'pause' as const, 'pause' as const, 'resume' as const),
        client: fc.boolean(),
        at,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        what: fc.constant('reset' as const),
        client: fc.boolean(),
        at,
        code: fc.constantFrom<ErrorCode>(0, 2, 8),
      }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('ping' as const), client: fc.boolean() }) },
    {
      weight: 10,
      arbitrary: fc.record({
        what: fc.constant('pump' as const),
        most: fc.oneof(fc.nat(30), fc.nat(3000), fc.constant(1e9)),
      }),
    },
  ),
  { minLength: 10, maxLength: 120 },
) as fc.Arbitrary<Action[]>;

const options = fc.record({
  initialStreamWindowSize: fc.constantFrom(10, 1000, 65_535, 1_000_000),
  initialConnectionWindowSize: fc.constantFrom(65_535, 200_000),
  maxConcurrentStreams: fc.constantFrom(3, 100),
  streamBufferLimit: fc.constantFrom(0, 100, 65_536),
  hpackTableSize: fc.constantFrom(0, 64, 4096),
  // Tiny windows are given back by many frames.
  maxInboundWindowUpdateFramesPerDataFrameSent: fc.constant(1000),
  maxHeaderFieldBytes: fc.constant(65_536),
  streamResetBurst: fc.constant(1_000_000),
  streamResetRate: fc.constant(33),
  customSettings: fc.constant([]),
});

test('random actions on two ends', () => {
  fc.assert(
    fc.property(options, options, actions, fc.boolean(), (client, server, list, goAway) => {
      const lent = lentChunks();
      const link = new Link({ ...OPTIONS, ...client }, { ...OPTIONS, ...server });
      for (const [i, action] of list.entries()) {
        if (goAway && i === list.length >> 1) link.server.goAway(0, false);
        if (goAway && i === list.length - 5) link.server.goAway(0, true);
        act(link, action);
        checkWindows(link);
      }
      settle(link);
      checkExchanges(link);
      assert.equal(lentChunks(), lent);
    }),
    { seed, numRuns: Math.ceil(500 * scale) },
  );
});

test('the transport is gone in the middle', () => {
  fc.assert(
    fc.property(options, actions, (server, list) => {
      const lent = lentChunks();
      const link = new Link(OPTIONS, { ...OPTIONS, ...server });
      for (const action of list) act(link, action);
      link.closed = true;
      link.client.close();
      link.server.close();
      for (const end of link.ends()) assert.equal(end.over, true);
      for (const action of list) act(link, action);
      assert.equal(lentChunks(), lent);
      assert.equal(link.client.waitingBytes + link.server.waitingBytes, 0);
    }),
    { seed, numRuns: Math.ceil(100 * scale) },
  );
});

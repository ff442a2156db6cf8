/** The contract of HTTP filters: order, statuses, buffering, local replies, and faults that end one request alone. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { RawClient, requestBytes } from '../../test/support/raw_client.ts';
import { messageType } from '../api/registry.ts';
import { ipAddress } from '../common/address.ts';
import { setLogLevels } from '../common/log.ts';
import { ThreadStats } from '../common/stats/store.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Acceptor } from '../net/accept.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../spi/http_filter.ts';
import type { WorkerContext } from '../spi/worker_context.ts';
import { compileConfig } from './config.ts';
import { ConnectionManager } from './connection_manager.ts';

setLogLevels('off', {});
const opened: Acceptor[] = [];
after(() => {
  for (const acceptor of opened) acceptor.close();
});

/** A manager with these filters on a free port; the last one answers. */
async function serve(...filters: (() => StreamFilter)[]): Promise<number> {
  const context = {
    stats: new ThreadStats(() => {}),
    accessLoggers: () => [],
    serviceCluster: '',
    drain: { draining: false, healthFailed: false },
  } as unknown as WorkerContext;
  const message = create(
    messageType('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    { statPrefix: 'test' } as never,
  );
  const listener = { name: 'test', statPrefix: 'listener.test.', bufferLimit: 1000 };
  const makers = filters.map((create) => ({ name: 'test', disabled: false, create }));
  const config = compileConfig(message as never, context, listener as never, makers, new Map());
  const acceptor = new Acceptor(
    { address: ipAddress('127.0.0.1', 0), reusePort: false, bufferLimit: 1000 },
    (connection) => {
      const address = connection.remoteAddress;
      const info = { id: connection.id, remoteAddress: address, directRemoteAddress: address } as ConnectionInfo;
      new ConnectionManager(config, connection, info, context.drain, () => {});
    },
  );
  opened.push(acceptor);
  await new Promise<void>((resolve, reject) => acceptor.listen((error) => (error ? reject(error) : resolve())));
  return acceptor.port;
}

/** The terminal filter of these tests: answers with the body it got. */
class Echo implements StreamFilter {
  private callbacks!: DecoderFilterCallbacks;
  private readonly body: Buffer[] = [];
  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }
  decodeHeaders(_head: RequestHead, endStream: boolean): HeadersStatus {
    if (endStream) this.answer();
    return HeadersStatus.StopIteration;
  }
  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    this.body.push(Buffer.from(piece.bytes.subarray(piece.start, piece.end)));
    if (endStream) this.answer();
    return DataStatus.StopIterationNoBuffer;
  }
  private answer(): void {
    const body = Buffer.concat([Buffer.from('echo:'), ...this.body]);
    const head: ResponseHead = { status: 200, protocol: 'HTTP/1.1', headers: new HeaderMap() };
    this.callbacks.encodeHeaders(head, false);
    this.callbacks.encodeData(body, 0, body.length, true);
  }
}

async function exchange(port: number, ...args: Parameters<typeof requestBytes>) {
  const client = await RawClient.connect(port);
  client.send(requestBytes(...args));
  const response = await client.response();
  client.destroy();
  return response;
}

test('requests pass the filters in order, answers in reverse', async () => {
  const seen: string[] = [];
  const note = (name: string) => (): StreamFilter => ({
    decodeHeaders: () => {
      seen.push(`decode ${name}`);
      return HeadersStatus.Continue;
    },
    encodeHeaders: () => {
      seen.push(`encode ${name}`);
      return HeadersStatus.Continue;
    },
    onDestroy: () => seen.push(`destroy ${name}`),
  });
  const port = await serve(note('a'), note('b'), () => new Echo());
  assert.equal((await exchange(port, '/')).text, 'echo:');
  assert.deepEqual(seen, ['decode a', 'decode b', 'encode b', 'encode a', 'destroy a', 'destroy b']);
});

test('a filter that stops holds headers and body until it continues', async () => {
  let resume: (() => void) | undefined;
  const gate = (): StreamFilter => ({
    setDecoderCallbacks: (callbacks) => {
      resume = () => callbacks.continueDecoding();
    },
    decodeHeaders: () => HeadersStatus.StopAllIterationAndBuffer,
  });
  const port = await serve(gate, () => new Echo());
  const client = await RawClient.connect(port);
  client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello');
  client.send('world');
  const answer = client.response();
  const early = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))]);
  assert.equal(early, 'nothing');
  resume!();
  assert.equal((await answer).text, 'echo:helloworld');
  client.destroy();
});

test('a body that a filter buffers beyond the limit is refused with 413', async () => {
  const buffer = (): StreamFilter => ({
    decodeHeaders: (_head, endStream) => (endStream ? HeadersStatus.Continue : HeadersStatus.StopIteration),
    decodeData: (_piece, endStream) => (endStream ? DataStatus.Continue : DataStatus.StopIterationAndBuffer),
  });
  const port = await serve(buffer, () => new Echo());
  const whole = (size: number) => exchange(port, '/', { method: 'POST', body: 'x'.repeat(size) } as never);
  assert.equal((await whole(900)).status, 200);
  const refused = await whole(200_000);
  assert.equal(refused.status, 413);
  assert.equal(refused.text, 'Payload Too Large');
});

test('a local reply from a filter passes the encoders and no further decoder', async () => {
  let reached = false;
  const marker = headerName('x-marked');
  const mark = (): StreamFilter => ({
    encodeHeaders: (head) => {
      head.headers.set(marker, 'yes');
      return HeadersStatus.Continue;
    },
  });
  const deny = (): StreamFilter => {
    let callbacks: DecoderFilterCallbacks;
    return {
      setDecoderCallbacks: (given) => {
        callbacks = given;
      },
      decodeHeaders: () => {
        callbacks.sendLocalReply(403, 'no', 'denied_by_test');
        return HeadersStatus.StopIteration;
      },
    };
  };
  const port = await serve(mark, deny, () => {
    const echo = new Echo();
    echo.decodeHeaders = () => {
      reached = true;
      return HeadersStatus.StopIteration;
    };
    return echo;
  });
  const response = await exchange(port, '/');
  assert.deepEqual([response.status, response.text, response.get('x-marked')], [403, 'no', 'yes']);
  assert.equal(reached, false);
});

test('an encoder may hold an answer and change its body', async () => {
  const shout = (): StreamFilter => {
    let callbacks: EncoderFilterCallbacks;
    return {
      setEncoderCallbacks: (given) => {
        callbacks = given;
      },
      encodeHeaders: () => HeadersStatus.StopIteration,
      encodeData: (piece, endStream) => {
        piece.bytes = Buffer.from(piece.bytes.subarray(piece.start, piece.end).toString().toUpperCase()) as never;
        piece.start = 0;
        piece.end = piece.bytes.length;
        assert.ok(callbacks !== undefined);
        return endStream ? DataStatus.Continue : DataStatus.StopIterationAndBuffer;
      },
    };
  };
  const port = await serve(shout, () => new Echo());
  assert.equal((await exchange(port, '/')).text, 'ECHO:');
});

for (const where of ['decodeHeaders', 'decodeData', 'encodeHeaders'] as const) {
  test(`an exception in ${where} ends that request with 500 and nothing else`, async () => {
    const port = await serve(
      () => ({
        decodeHeaders(head) {
          if (where === 'decodeHeaders' && head.path === '/fault') throw new Error('in a filter');
          return HeadersStatus.Continue;
        },
        decodeData() {
          if (where === 'decodeData') throw new Error('in a filter');
          return DataStatus.Continue;
        },
        encodeHeaders(head) {
          if (where === 'encodeHeaders' && head.status === 200 && faulty) throw new Error('in a filter');
          return HeadersStatus.Continue;
        },
      }),
      () => new Echo(),
    );
    let faulty = true;
    const beside = await RawClient.connect(port);
    const body = where === 'decodeData' ? { method: 'POST', body: 'x' } : {};
    const response = await exchange(port, '/fault', body as never);
    assert.equal(response.status, 500);
    faulty = false;
    beside.send(requestBytes('/'));
    assert.equal((await beside.response()).status, 200);
    beside.destroy();
  });
}

test('a filter that lets headers pass and then holds data does not pass the headers twice', async () => {
  let heads = 0;
  const holder = (): StreamFilter => ({
    decodeHeaders: () => HeadersStatus.Continue,
    decodeData: (_piece, endStream) => (endStream ? DataStatus.Continue : DataStatus.StopIterationAndBuffer),
    encodeHeaders: () => HeadersStatus.Continue,
    encodeData: (_piece, endStream) => (endStream ? DataStatus.Continue : DataStatus.StopIterationAndBuffer),
  });
  const counter = (): StreamFilter => ({
    decodeHeaders: () => {
      heads++;
      return HeadersStatus.Continue;
    },
    encodeHeaders: () => {
      heads++;
      return HeadersStatus.Continue;
    },
  });
  const port = await serve(counter, holder, counter, () => new Echo());
  const client = await RawClient.connect(port);
  client.send('POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.send('3\r\ndef\r\n0\r\n\r\n');
  assert.equal((await client.response()).text, 'echo:abcdef');
  assert.equal(heads, 4);
  client.destroy();
});

/** A filter that adds what it is told in both directions. */
function adder(request: string | undefined, response: string | undefined, stops: boolean): () => StreamFilter {
  return () => {
    let decoder: DecoderFilterCallbacks;
    let encoder: EncoderFilterCallbacks;
    return {
      setDecoderCallbacks: (callbacks) => {
        decoder = callbacks;
      },
      setEncoderCallbacks: (callbacks) => {
        encoder = callbacks;
      },
      decodeHeaders: (_head, endStream) => {
        if (endStream && request !== undefined) decoder.addDecodedData(Buffer.from(request));
        return HeadersStatus.Continue;
      },
      encodeHeaders: (_head, endStream) => {
        if (endStream && response !== undefined) encoder.addEncodedData(Buffer.from(response));
        return stops && !endStream ? HeadersStatus.StopIteration : HeadersStatus.Continue;
      },
      encodeData: (_piece, endStream) =>
        stops && !endStream ? DataStatus.StopIterationAndBuffer : DataStatus.Continue,
      encodeTrailers: () => {
        if (response !== undefined) encoder.addEncodedData(Buffer.from(response));
        return TrailersStatus.Continue;
      },
    };
  };
}

/** The terminal filter that answers with headers only, or with a body and trailers. */
function answering(body: string | undefined): () => StreamFilter {
  return () => {
    let callbacks: DecoderFilterCallbacks;
    return {
      setDecoderCallbacks: (given) => {
        callbacks = given;
      },
      decodeHeaders: () => {
        callbacks.encodeHeaders({ status: 200, protocol: 'HTTP/1.1', headers: new HeaderMap() }, body === undefined);
        if (body === undefined) return HeadersStatus.StopIteration;
        callbacks.encodeData(Buffer.from(body), 0, body.length, false);
        callbacks.encodeTrailers(new HeaderMap());
        return HeadersStatus.StopIteration;
      },
    };
  };
}

test('filters add bodies to messages without one, and before trailers', async () => {
  const port = await serve(adder('made', undefined, false), () => new Echo());
  assert.equal((await exchange(port, '/')).text, 'echo:made');
  const bare = await serve(adder(undefined, 'made', false), answering(undefined));
  assert.equal((await exchange(bare, '/')).text, 'made');
  const through = await serve(adder(undefined, ' and more', false), answering('body'));
  assert.equal((await exchange(through, '/')).text, 'body and more');
  const held = await serve(adder(undefined, ' and more', true), answering('body'));
  assert.equal((await exchange(held, '/')).text, 'body and more');
});

test('a local reply in the place of an answer goes past the filters that saw that answer', async () => {
  let seen = 0;
  const spy = (): StreamFilter => ({
    encodeHeaders: () => {
      seen++;
      return HeadersStatus.Continue;
    },
  });
  const refuse = (): StreamFilter => {
    let callbacks: EncoderFilterCallbacks;
    return {
      setEncoderCallbacks: (given) => {
        callbacks = given;
      },
      encodeHeaders: () => HeadersStatus.StopIteration,
      encodeData: () => {
        callbacks.sendLocalReply(502, 'not this', 'refused');
        return DataStatus.StopIterationNoBuffer;
      },
    };
  };
  const port = await serve(spy, refuse, spy, answering('body'));
  const answer = await exchange(port, '/');
  assert.deepEqual([answer.status, answer.text, seen], [502, 'not this', 1]);
});

test('trailers that a filter adds come behind the body', async () => {
  const trailers = new HeaderMap();
  trailers.add(headerName('x-end'), '1');
  let received: string | undefined;
  const front = (): StreamFilter => ({
    encodeTrailers: (map) => {
      received = map.get(headerName('x-end'));
      return TrailersStatus.Continue;
    },
  });
  const back = (): StreamFilter => {
    let callbacks: EncoderFilterCallbacks;
    return {
      setEncoderCallbacks: (given) => {
        callbacks = given;
      },
      encodeData: (_piece, endStream) => {
        if (endStream) callbacks.addEncodedTrailers(trailers);
        return DataStatus.Continue;
      },
    };
  };
  const port = await serve(front, back, () => new Echo());
  assert.equal((await exchange(port, '/')).text, 'echo:');
  assert.equal(received, '1');
});

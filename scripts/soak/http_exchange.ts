/** One request and its whole answer, alike over HTTP/1 and HTTP/2; slowly written or read when asked. */
import { once } from 'node:events';
import http from 'node:http';
import type http2 from 'node:http2';
import https from 'node:https';
import type { Readable, Writable } from 'node:stream';
import type { Random } from '../../test/support/random.ts';
import { delay } from '../../test/support/wait_for.ts';

export interface Exchange {
  readonly path: string;
  /** Undefined: a GET. */
  readonly body: Buffer | undefined;
  /** Where a pause comes from; undefined: as fast as it goes. */
  readonly slowWriter: Random | undefined;
  readonly slowReader: Random | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** Sends requests somewhere. */
export interface Sender {
  /** Rejects when the answer is cut or there is none. */
  send(exchange: Exchange): Promise<Answer>;
  close(): void;
}

export class Http1Sender implements Sender {
  private readonly port: number;
  private readonly agent: http.Agent;
  private readonly secure: boolean;

  /** `keepAlive`: one connection for all; otherwise a new one each, with `resume` offering the TLS session of one before. */
  constructor(port: number, { secure = false, keepAlive = true, resume = true } = {}) {
    this.port = port;
    this.secure = secure;
    this.agent = secure
      ? new https.Agent({
          keepAlive,
          maxCachedSessions: resume ? 100 : 0,
          rejectUnauthorized: false,
          servername: 'a.test',
        })
      : new http.Agent({ keepAlive });
  }

  send(exchange: Exchange): Promise<Answer> {
    const request = (this.secure ? https : http).request({
      host: '127.0.0.1',
      port: this.port,
      agent: this.agent,
      path: exchange.path,
      method: exchange.body === undefined ? 'GET' : 'POST',
      headers: { host: 'a.test' },
    });
    const answer = Promise.withResolvers<Answer>();
    // An answer may come, and be cut, before the request is whole.
    request.on('response', (incoming) => {
      const read = readBody(incoming, exchange.slowReader);
      read.then((body) => answer.resolve({ status: incoming.statusCode!, body }), answer.reject);
    });
    request.on('error', answer.reject);
    writeBody(request, exchange).catch(answer.reject);
    return answer.promise;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Streams of a session that its owner opens and ends. */
export class Http2Sender implements Sender {
  readonly session: http2.ClientHttp2Session;

  constructor(session: http2.ClientHttp2Session) {
    this.session = session;
  }

  send(exchange: Exchange): Promise<Answer> {
    const { body, path } = exchange;
    const stream = this.session.request(
      { ':path': path, ':method': body === undefined ? 'GET' : 'POST', ':authority': 'a.test' },
      { endStream: body === undefined },
    );
    const answer = Promise.withResolvers<Answer>();
    let headed = false;
    stream.on('response', ({ ':status': status = 0 }) => {
      headed = true;
      readBody(stream, exchange.slowReader).then((read) => answer.resolve({ status, body: read }), answer.reject);
    });
    stream.on('error', answer.reject);
    stream.on('close', () => {
      if (!headed) answer.reject(new Error(`closed with ${stream.rstCode}`));
    });
    if (body !== undefined) writeBody(stream, exchange).catch(answer.reject);
    return answer.promise;
  }

  close(): void {
    this.session.close();
  }
}

/** It may end early when the answer comes first: that is no error of the writer. */
async function writeBody(target: Writable, { body, slowWriter }: Exchange): Promise<void> {
  if (body === undefined || slowWriter === undefined) {
    target.end(body);
    return;
  }
  const pieces = 2 + slowWriter.int(6);
  for (let i = 0; i < pieces && !target.destroyed; i++) {
    target.write(body.subarray(Math.floor((body.length * i) / pieces), Math.floor((body.length * (i + 1)) / pieces)));
    await delay(slowWriter.int(40));
  }
  target.end();
}

async function readBody(source: Readable, slow: Random | undefined): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => {});
  let ended = false;
  source.on('error', done.reject);
  source.on('end', () => {
    ended = true;
    done.resolve();
  });
  source.on('close', () => {
    if (!ended) done.reject(new Error('cut'));
  });
  if (slow !== undefined) await delay(slow.int(150));
  source.on('data', (piece: Buffer) => {
    pieces.push(piece);
    if (slow === undefined || !slow.chance(0.2)) return;
    source.pause();
    setTimeout(() => source.resume(), slow.int(60));
  });
  await done.promise;
  const { rstCode } = source as { rstCode?: number };
  if (rstCode !== undefined && rstCode !== 0) throw new Error(`reset with ${rstCode}`);
  const { complete } = source as { complete?: boolean };
  if (complete === false) throw new Error('cut');
  return Buffer.concat(pieces);
}

/** Rejects when the session does not come about. */
export async function settled(session: http2.ClientHttp2Session): Promise<http2.ClientHttp2Session> {
  session.on('error', () => {});
  const failed = Promise.withResolvers<never>();
  session.once('error', failed.reject);
  session.once('close', () => failed.reject(new Error('closed before SETTINGS')));
  failed.promise.catch(() => {});
  await Promise.race([once(session, 'remoteSettings'), failed.promise]);
  return session;
}

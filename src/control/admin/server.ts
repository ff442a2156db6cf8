/** The admin interface: an HTTP/1.1 server on the main thread, far from the data path, so on Node's own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { getSystemErrorMessage } from 'node:util';
import { ipAddress, isPipe } from '../../common/address.ts';
import { logger } from '../../common/log.ts';
import type { Address } from '../../common/stream_info.ts';
import { UnixPath } from '../../common/unix_path.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { AdminAccessLog } from './access_log.ts';
import type { AdminContext } from './context.ts';
import { type AdminReply, type AdminRequest, text } from './endpoint.ts';
import { findEndpoint } from './endpoints.ts';
import { AdminServerStats } from './server_stats.ts';

const log = logger('admin');

/** Pieces of a body are gathered up to this many characters. */
const batchSize = 64 * 1024;

/** Bounds on clients: a slow or silent one is let go, and too many are not let in. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 300_000,
  connectionsCheckingInterval: 5_000,
  noDelay: true,
};
const mostConnections = 512;
const stalledAfter = 600_000;

const badRequestReply =
  'HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\ncontent-type: text/plain\r\nserver: envoy\r\nconnection: close\r\n\r\nBad Request';

export class AdminServer {
  private readonly context: AdminContext;
  private readonly stats: AdminServerStats;
  private readonly accessLog: AdminAccessLog | undefined;
  private readonly server: Server;

  /** `store` is the main thread's. */
  constructor(context: AdminContext, store: StatsStore, accessLog?: AdminAccessLog) {
    this.context = context;
    this.accessLog = accessLog;
    this.stats = new AdminServerStats(store);
    this.server = createServer(limits, (request, response) => this.answer(request, response));
    this.server.maxConnections = mostConnections;
    this.server.setTimeout(stalledAfter, (socket) => socket.destroy());
    this.server.on('connection', (socket) => this.stats.onConnection(socket));
    this.server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end(badRequestReply);
      else socket.destroy();
    });
  }

  /** `mode`: permissions of a UNIX socket. Where it listens in the end (port 0 takes any), or why it cannot: `cannot bind '127.0.0.1:80': permission denied`. */
  listen(address: Address, mode = 0): Promise<{ readonly address: Address } | { readonly error: string }> {
    return new Promise((resolve) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        const reason = error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
        resolve({ error: `cannot bind '${address.text}': ${reason}` });
      };
      this.server.once('error', failed);
      const unix = isPipe(address) ? new UnixPath(address.text) : undefined;
      this.server.listen(unix === undefined ? { host: address.ip, port: address.port } : { path: unix.bind }, () => {
        this.server.off('error', failed);
        unix?.publish(mode);
        this.server.on('error', (error) => log.error(`admin listener: ${error.message}`));
        resolve({ address: boundAddress(this.server, address) });
      });
    });
  }

  /** Closes at once, open connections too. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume(); // no endpoint wants a body
    const done = this.stats.onRequest();
    const log = this.accessLog?.begin(request);
    const reply = this.replyTo(request);
    const sent = { bytes: 0 };
    response.once('close', () => {
      done(response.headersSent ? reply.status : 0);
      log?.(response.headersSent ? reply.status : 0, sent.bytes);
      reply.after?.();
    });
    send(request, response, reply, sent);
  }

  private replyTo(request: IncomingMessage): AdminReply {
    const { method = 'GET' } = request;
    const parsed = parseTarget(request);
    log.debug(`admin: ${method} ${parsed.path}`);
    const endpoint = findEndpoint(method, parsed.path);
    if ('reply' in endpoint) return endpoint.reply;
    try {
      return endpoint.handle(this.context, parsed);
    } catch (error) {
      log.error(`admin: ${parsed.path} failed: ${(error as Error).stack}`);
      return text('internal error\n', 500);
    }
  }
}

function boundAddress(server: Server, wanted: Address): Address {
  if (isPipe(wanted)) return wanted;
  const { address, port } = server.address() as AddressInfo;
  return ipAddress(address, port);
}

/** The path with its slashes merged, as Envoy's admin listener does it, and the query, in which `+` is a plus. */
function parseTarget(request: IncomingMessage): AdminRequest {
  let target = request.url ?? '/';
  if (!target.startsWith('/')) {
    const url = URL.parse(target);
    target = url === null ? target : url.pathname + url.search;
  }
  const [, path, query = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(target)!;
  return {
    path: path.replace(/\/{2,}/g, '/'),
    query: new URLSearchParams(query.replaceAll('+', '%2B')),
  };
}

function send(request: IncomingMessage, response: ServerResponse, reply: AdminReply, sent: { bytes: number }): void {
  const head = [
    ['content-type', reply.contentType],
    ['cache-control', 'no-cache, max-age=0'],
    ['x-content-type-options', 'nosniff'],
    ['date', new Date().toUTCString()],
    ['server', 'envoy'],
  ];
  if (!response.shouldKeepAlive) head.push(['connection', 'close']);
  else response.removeHeader('connection'); // Node would add `Connection: keep-alive`
  if (request.httpVersion === '1.1') head.push(['transfer-encoding', 'chunked']);
  response.writeHead(reply.status, head.flat());
  if (typeof reply.body === 'string') {
    sent.bytes = Buffer.byteLength(reply.body);
    response.end(reply.body);
    return;
  }
  // An error means that the client has gone, or a fault of ours: the connection is closed then in any case.
  pipeline(Readable.from(batches(reply.body, sent)), response, (error) => {
    if (error) log.debug(`admin: reply broken off: ${error.message}`);
  });
}

function* batches(pieces: Iterable<string>, sent: { bytes: number }): Generator<string> {
  let batch = '';
  for (const piece of pieces) {
    batch += piece;
    sent.bytes += Buffer.byteLength(piece);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = '';
  }
  if (batch !== '') yield batch;
}

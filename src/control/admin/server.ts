/** The admin interface: an HTTP/1.1 server on the main thread, far from the data path, so on Node's own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { getSystemErrorMessage } from 'node:util';
import { ipAddress, isPipe } from '../../common/address.ts';
import { logger } from '../../common/log.ts';
import { compileStringMatcher, type StringMatcher } from '../../common/matchers/string_matcher.ts';
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

/** Characters of a form that are looked at. */
const mostForm = 64 * 1024;

const noForm = new URLSearchParams();

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
  /** `allow_paths`; with none every path is allowed. */
  private readonly allowed: readonly StringMatcher[];

  /** `store` is the main thread's. */
  constructor(context: AdminContext, store: StatsStore, accessLog?: AdminAccessLog) {
    this.context = context;
    this.accessLog = accessLog;
    this.stats = new AdminServerStats(store);
    this.allowed = (context.bootstrap.admin?.allowPaths ?? []).map(compileStringMatcher);
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
    if (request.method === 'POST' && hasForm(request)) {
      readForm(request, (form) => this.answerWith(form, request, response));
      return;
    }
    request.resume(); // no endpoint wants another body
    this.answerWith(noForm, request, response);
  }

  private answerWith(form: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const done = this.stats.onRequest();
    const log = this.accessLog?.begin(request);
    const reply = this.replyTo(request, form);
    const sent = { bytes: 0 };
    response.once('close', () => {
      done(response.headersSent ? reply.status : 0);
      log?.(response.headersSent ? reply.status : 0, sent.bytes);
      reply.after?.();
    });
    send(request, response, reply, sent);
  }

  /** By the path with its query, as Envoy compares it. */
  private isAllowed(target: string): boolean {
    return this.allowed.length === 0 || this.allowed.some((matcher) => matcher.matches(target));
  }

  private replyTo(request: IncomingMessage, form: URLSearchParams): AdminReply {
    const { method = 'GET' } = request;
    const parsed = parseTarget(request);
    log.debug(`admin: ${method} ${parsed.path}`);
    if (!this.isAllowed(parsed.target)) {
      log.info(`Request to admin interface path ${parsed.target} is not allowed`);
      return text(`request to path ${parsed.target} not allowed`, 403);
    }
    const endpoint = findEndpoint(method, parsed.path);
    if ('reply' in endpoint) return endpoint.reply;
    try {
      const byForm = endpoint.takesForm === true && parsed.query.size === 0;
      return endpoint.handle(this.context, byForm ? { ...parsed, query: form } : parsed);
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
function parseTarget(request: IncomingMessage): AdminRequest & { readonly target: string } {
  let target = request.url ?? '/';
  if (!target.startsWith('/')) {
    const url = URL.parse(target);
    target = url === null ? target : url.pathname + url.search;
  }
  const [, rawPath, query] = /^([^?#]*)(?:\?([^#]*))?/.exec(target)!;
  const path = rawPath.replace(/\/{2,}/g, '/');
  return {
    target: query === undefined ? path : `${path}?${query}`,
    path,
    query: new URLSearchParams((query ?? '').replaceAll('+', '%2B')),
  };
}

function hasForm({ headers }: IncomingMessage): boolean {
  return headers['content-type'] === 'application/x-www-form-urlencoded';
}

function readForm(request: IncomingMessage, done: (form: URLSearchParams) => void): void {
  let form = '';
  request.setEncoding('utf8');
  request.on('data', (piece: string) => {
    if (form.length < mostForm) form += piece;
  });
  request.on('end', () => done(new URLSearchParams(form.slice(0, mostForm))));
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

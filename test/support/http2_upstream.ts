/** An HTTP/2 server on node:http2, without TLS: answers as a test says and remembers what it saw. */
import { once } from 'node:events';
import http2, {
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A request as it came; its body and trailers fill in later. */
export interface SeenRequest {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  /** Which connection of the server it came on, from 0. */
  readonly connection: number;
  readonly chunks: Buffer[];
  trailers: IncomingHttpHeaders | undefined;
  /** How the stream ended: the code of RST_STREAM, 0 when nobody reset it; undefined as long as it lives. */
  code: number | undefined;
}

export interface Http2Script {
  /** Told of a request's head; the default answers 200 and the length of the body when that is whole. */
  onRequest?(request: SeenRequest): void;
}

export interface Http2Upstream {
  readonly port: number;
  readonly requests: SeenRequest[];
  readonly sessions: ServerHttp2Session[];
  script: Http2Script;
  close(): Promise<void>;
}

export async function startHttp2Upstream(script: Http2Script = {}, settings: Settings = {}): Promise<Http2Upstream> {
  const server = http2.createServer({ settings: { enableConnectProtocol: true, ...settings } });
  const sessions: ServerHttp2Session[] = [];
  const requests: SeenRequest[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (opened, headers) => {
    const stream = opened as ServerHttp2Stream;
    const connection = sessions.indexOf(stream.session as ServerHttp2Session);
    const request: SeenRequest = {
      stream,
      headers,
      path: headers[':path'] ?? '',
      connection,
      chunks: [],
      trailers: undefined,
      code: undefined,
    };
    requests.push(request);
    stream.on('error', () => {});
    stream.on('trailers', (trailers) => {
      request.trailers = trailers;
    });
    stream.on('close', () => {
      request.code = stream.rstCode;
    });
    (upstream.script.onRequest ?? answerLength)(request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: Http2Upstream = {
    port: (server.address() as AddressInfo).port,
    requests,
    sessions,
    script,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return upstream;
}

/** Resolves when the request is whole, with its body. */
export function wholeBody({ stream, chunks }: SeenRequest): Promise<Buffer> {
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve(Buffer.concat(chunks)));
  });
}

/** 200, or another status, with a short body. */
export function answer({ stream }: SeenRequest, text = 'ok', headers: Record<string, string | number> = {}): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200, ...headers });
  stream.end(text);
}

async function answerLength(request: SeenRequest): Promise<void> {
  const body = await wholeBody(request);
  answer(request, `${request.headers[':method']} ${request.path} ${body.length}`);
}

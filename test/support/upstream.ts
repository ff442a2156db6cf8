/** Scripted HTTP/1 and TCP servers on node:net: they answer with exactly the bytes a test gives, and remember what they saw. */
import { once } from 'node:events';
import net from 'node:net';
import { type HttpMessage, header, MessageBuffer, requestBody } from './http_message.ts';

export interface UpstreamRequest extends HttpMessage {
  method: string;
  path: string;
  get(name: string): string | undefined;
  /** Which connection of the server it came on, from 0. */
  connection: number;
  /** The server has seen FIN or RST on that connection before the request was whole. */
  aborted: boolean;
}

export interface UpstreamScript {
  /** Answers a whole request; without it every request gets 200 and the line `METHOD PATH`. */
  respond?(request: UpstreamRequest, socket: net.Socket): void;
  /** Told of each head before its body is there; a script that answers here returns true, and `respond` is left out. */
  onHead?(request: UpstreamRequest, socket: net.Socket): boolean;
}

export interface Upstream {
  readonly port: number;
  /** Heads in order of arrival; their bodies fill in later. */
  readonly requests: UpstreamRequest[];
  /** Every connection ever accepted. */
  readonly connections: net.Socket[];
  /** Replaces the script from the next request on. */
  script: UpstreamScript;
  close(): Promise<void>;
}

/** Starts a scripted HTTP server on a free port. */
export async function startUpstream(script: UpstreamScript = {}): Promise<Upstream> {
  const requests: UpstreamRequest[] = [];
  const server = await listen((socket, index) => serve(socket, index, upstream));
  const upstream: Upstream = { ...server, requests, script };
  return upstream;
}

/** Starts a TCP server on a free port; `onConnection` gets each socket. */
export async function startTcpUpstream(onConnection: (socket: net.Socket) => void): Promise<Omit<Upstream, 'script'>> {
  return { ...(await listen(onConnection)), requests: [] };
}

async function listen(onConnection: (socket: net.Socket, index: number) => void) {
  const connections: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections.push(socket);
    socket.on('error', () => {});
    onConnection(socket, connections.length - 1);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    connections,
    async close(): Promise<void> {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(socket: net.Socket, connection: number, upstream: Upstream): void {
  const buffer = new MessageBuffer();
  let current: UpstreamRequest | undefined;
  let answered = false;
  const pump = (closed: boolean): void => {
    for (;;) {
      const head = current === undefined ? buffer.takeHead(requestBody) : undefined;
      if (head !== undefined) {
        current = asRequest(head, connection);
        upstream.requests.push(current);
        answered = upstream.script.onHead?.(current, socket) ?? false;
      }
      const message = buffer.takeMessage(requestBody, closed);
      if (message === undefined || current === undefined) return;
      const request = current;
      current = undefined;
      request.aborted = !request.complete;
      if (request.complete && !answered) (upstream.script.respond ?? echo)(request, socket);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    buffer.push(chunk);
    pump(false);
  });
  const onClosed = (): void => {
    pump(true);
    socket.end();
  };
  socket.on('end', onClosed);
  socket.on('close', () => pump(true));
}

function asRequest(message: HttpMessage, connection: number): UpstreamRequest {
  const [method, path] = message.startLine.split(' ');
  return Object.assign(message, {
    method,
    path,
    connection,
    aborted: false,
    get: (name: string) => header(message, name),
  });
}

/** Writes a whole response with content-length. */
export function respond(
  socket: net.Socket,
  { status = 200, headers = {}, body = '' }: { status?: number; headers?: Record<string, string>; body?: string } = {},
): void {
  let head = `HTTP/1.1 ${status} Reason\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function echo(request: UpstreamRequest, socket: net.Socket): void {
  const body = request.method === 'HEAD' ? '' : `${request.method} ${request.path}\n`;
  respond(socket, { body });
}

/** A client on node:http2 whose answers come whole: head, informational heads, body and trailers. */
import { once } from 'node:events';
import http2 from 'node:http2';

export interface Http2Response {
  status: number;
  headers: http2.IncomingHttpHeaders;
  informational: number[];
  body: Buffer;
  text: string;
  trailers: Record<string, unknown> | undefined;
}

/** Connects to a port of 127.0.0.1 with prior knowledge (h2c). Errors of the session are those of its requests. */
export async function connectHttp2(
  port: number,
  options: http2.ClientSessionOptions = {},
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  return session;
}

/** The whole answer to a stream; rejects when it is reset. */
export function answerTo(stream: http2.ClientHttp2Stream): Promise<Http2Response> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const informational: number[] = [];
    let headers: http2.IncomingHttpHeaders = {};
    let trailers: Record<string, unknown> | undefined;
    stream.on('headers', (head) => informational.push(head[':status'] as number));
    stream.on('response', (head) => {
      headers = head;
    });
    stream.on('trailers', (fields) => {
      trailers = { ...fields };
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      const body = Buffer.concat(chunks);
      const status = Number(headers[':status'] ?? 0);
      if (status === 0) reject(new Error('closed without an answer'));
      else resolve({ status, headers, informational, body, text: body.toString('latin1'), trailers });
    });
  });
}

/** One request; `body` is sent whole. */
export function request2(
  session: http2.ClientHttp2Session,
  path: string,
  headers: http2.OutgoingHttpHeaders = {},
  body?: Buffer | string,
): Promise<Http2Response> {
  const stream = session.request({ ':path': path, ...headers }, { endStream: body === undefined });
  const answer = answerTo(stream);
  if (body !== undefined) stream.end(body);
  return answer;
}

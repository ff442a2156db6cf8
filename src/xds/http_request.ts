/** Control path, step 3: one HTTP/1.1 request of the main thread to a control plane. */
import { request as httpRequestOf, type RequestOptions } from 'node:http';
import { request as httpsRequestOf } from 'node:https';
import { localAddress } from '../common/local_address.ts';
import { type ControlPlaneHost, unixPath } from './control_plane.ts';

export interface HttpQuery {
  readonly method: string;
  readonly path: string;
  /** The Host header: Envoy gives the cluster's name. */
  readonly host: string;
  readonly body: string;
  /** Milliseconds for the whole exchange. */
  readonly timeout: number;
}

export interface HttpReply {
  readonly status: number;
  readonly body: string;
  /** Why there is no reply; empty when there is one. */
  readonly error: string;
}

/** A reply larger than this is given up. */
const mostBytes = 256 * 1024 * 1024;

/** `onReply` comes once, later. The answer gives the request up; then nothing comes. */
export function httpRequest(
  { address, tls }: ControlPlaneHost,
  { method, path, host, body, timeout }: HttpQuery,
  onReply: (reply: HttpReply) => void,
): () => void {
  let over = false;
  const finish = (reply: HttpReply): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    request.destroy();
    onReply(reply);
  };
  const options: RequestOptions = {
    method,
    path,
    agent: false,
    headers: {
      host,
      'x-envoy-internal': 'true',
      'x-forwarded-for': localAddress(),
      'x-envoy-expected-rq-timeout-ms': String(timeout),
      ...(body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
    ...(address.ip === '' ? { socketPath: unixPath(address.text) } : { host: address.ip, port: address.port }),
  };
  const request = tls === undefined ? httpRequestOf(options) : httpsRequestOf({ ...options, ...tls });
  request.on('error', (error) => finish({ status: 0, body: '', error: error.message }));
  request.on('response', (response) => {
    const pieces: Buffer[] = [];
    let length = 0;
    response.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length > mostBytes) finish({ status: 0, body: '', error: 'the reply is too long' });
    });
    response.on('error', (error) => finish({ status: 0, body: '', error: error.message }));
    response.on('aborted', () => finish({ status: 0, body: '', error: 'the reply was cut' }));
    response.on('end', () =>
      finish({ status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString('utf8'), error: '' }),
    );
  });
  const timer = setTimeout(() => finish({ status: 0, body: '', error: 'timed out' }), timeout);
  request.end(body);
  return () => {
    over = true;
    clearTimeout(timer);
    request.destroy();
  };
}

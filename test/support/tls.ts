/** TLS for tests: transport sockets of a configuration, and a client that speaks HTTP/1 over TLS. */
import { once } from 'node:events';
import tls from 'node:tls';
import type { Json } from './bootstrap.ts';
import type { Certificate } from './certificates.ts';

const tlsType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** The `transport_socket` of a filter chain. */
export function downstreamTls(common: Json, more: Json = {}): Json {
  return transportSocket('DownstreamTlsContext', common, more);
}

/** The `transport_socket` of a cluster. */
export function upstreamTls(common: Json, more: Json = {}): Json {
  return transportSocket('UpstreamTlsContext', common, more);
}

function transportSocket(type: string, common: Json, more: Json): Json {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: { '@type': `${tlsType}.${type}`, common_tls_context: common, ...more },
  };
}

/** A member of `tls_certificates`. */
export function certificateFiles({ certFile, keyFile }: Certificate): Json {
  return { certificate_chain: { filename: certFile }, private_key: { filename: keyFile } };
}

export interface TlsReply {
  readonly status: number;
  readonly text: string;
  readonly protocol: string;
  readonly cipher: string;
  /** Common name of the server's certificate. */
  readonly server: string;
  readonly keyType: string;
  readonly alpn: string;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
}

/** One GET over a connection of its own. Rejects with the error of the handshake, or `closed` when the server just closes. */
export async function tlsGet(
  port: number,
  path: string,
  options: tls.ConnectionOptions = {},
  headers = '',
): Promise<TlsReply> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  const failed = new Promise<never>((_resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
  });
  failed.catch(() => {});
  let session: Buffer | undefined;
  socket.on('session', (given: Buffer) => {
    session = given;
  });
  await Promise.race([once(socket, 'secureConnect'), failed]);
  const certificate = socket.getPeerX509Certificate();
  const facts = {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    server: /CN=(.*)/.exec(certificate?.subject ?? '')?.[1] ?? '',
    keyType: certificate?.publicKey.asymmetricKeyType ?? '',
    alpn: socket.alpnProtocol || '',
    reused: socket.isSessionReused(),
  };
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n${headers}\r\n`);
  const text = await Promise.race([readAll(socket), failed]);
  const end = text.indexOf('\r\n\r\n');
  socket.destroy();
  return { status: Number(text.slice(9, 12)), text: text.slice(end + 4), ...facts, session };
}

async function readAll(socket: tls.TLSSocket): Promise<string> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await once(socket, 'end');
  return Buffer.concat(pieces).toString('latin1');
}

/** Whether an address can be listened on, and which port stands behind 0: found out before workers are told of it. */
import { existsSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';
import path from 'node:path';
import { isPipe } from '../common/address.ts';
import type { Address } from '../common/stream_info.ts';
import { UnixPath } from '../common/unix_path.ts';

export interface Probe {
  /** 0 for a UNIX socket. */
  readonly port: number;
  /** Empty when it can. */
  readonly error: string;
}

/**
 * Binds once without SO_REUSEPORT: with it the workers' own binds would succeed beside another process of the same user
 * and share its connections. A UNIX socket takes the place of what is there, so only its folder and its name can be wrong.
 */
export function probeAddress(address: Address, ipv6Only: boolean): Promise<Probe> {
  if (isPipe(address)) return probePath(address.text);
  return address.port === 0
    ? findPort(address.ip, ipv6Only)
    : tryListening({ host: address.ip, port: address.port, ipv6Only, exclusive: true });
}

async function probePath(text: string): Promise<Probe> {
  const probe = await tryListening({ path: new UnixPath(text).bind });
  // libuv says EACCES for both (uv_pipe_bind2).
  const noFolder = probe.error === bindErrors['EACCES'] && !existsSync(path.dirname(text));
  return noFolder ? { port: 0, error: bindErrors['ENOENT'] } : probe;
}

/** Below the range that kernels take ports of outgoing connections from. */
const lowestPort = 10_000;
const portCount = 20_000;
/** Apart for each process, as far as it goes. */
let candidate = (process.pid * 61) % portCount;

/**
 * Until workers listen nobody holds a port that was found: one of the kernel's own would sooner or later go to a connection, or
 * to another process that asks for any port, and SO_REUSEPORT would let both have it.
 */
async function findPort(host: string, ipv6Only: boolean): Promise<Probe> {
  for (let tries = 0; tries < portCount; tries++) {
    candidate = (candidate + 1) % portCount;
    const probe = await tryListening({ host, port: lowestPort + candidate, ipv6Only, exclusive: true });
    if (probe.error === '' || probe.error !== bindErrors['EADDRINUSE']) return probe;
  }
  return tryListening({ host, port: 0, ipv6Only, exclusive: true });
}

function tryListening(options: ListenOptions): Promise<Probe> {
  const { promise, resolve } = Promise.withResolvers<Probe>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => {
    resolve({ port: 0, error: bindErrors[error.code ?? ''] ?? error.message });
  });
  server.listen(options, () => {
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    server.close(() => resolve({ port, error: '' }));
  });
  return promise;
}

const bindErrors: Record<string, string> = {
  EADDRINUSE: 'Address already in use',
  EACCES: 'Permission denied',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  ENAMETOOLONG: 'File name too long',
  EINVAL: 'Invalid argument',
};

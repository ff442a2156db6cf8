/** Writes down the secrets of a handshake, so that what was recorded on the wire can be read (step 3 of the data path, and step 9). */
import type { TLSSocket } from 'node:tls';
import type { Connection } from '../connection.ts';
import type { KeyLog } from './settings.ts';

/** Before the handshake begins. */
export function logKeys({ localAddress, remoteAddress }: Connection, socket: TLSSocket, log: KeyLog): void {
  if (!log.wants(localAddress.ip, remoteAddress.ip)) return;
  socket.on('keylog', (line: Buffer) => log.write(line.toString('latin1')));
}

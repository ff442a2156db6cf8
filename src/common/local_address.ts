/** The address this machine names itself by in x-forwarded-for, as Envoy's local info has it. */
import { networkInterfaces } from 'node:os';

let found: string | undefined;

/** The machine's first IPv4 address that is not loopback; 127.0.0.1 when there is none. */
export function localAddress(): string {
  if (found === undefined) {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    found = addresses.find((address) => !address.internal && address.family === 'IPv4')?.address ?? '127.0.0.1';
  }
  return found;
}

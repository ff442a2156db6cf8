/** Step 1 of the data path: the sockets a listener's message asks for. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage, isIpv6Only, isPipe } from '../common/address.ts';
import { acceptedSocketOptions } from '../common/socket_options.ts';
import type { AcceptOptions } from '../net/accept.ts';

type ListenerMessage = envoy.config.listener.v3.Listener;

/**
 * One entry an address; none with `bind_to_port: false`, whose connections are handed over by another listener.
 *
 * Worker threads cannot share a listening handle. So workers accept on sockets of their own, joined by SO_REUSEPORT, and
 * where the system has no such thing (UNIX sockets) or the user does not want it, one worker accepts alone.
 */
export function acceptOptions(message: ListenerMessage, bufferLimit: number): AcceptOptions[] {
  if (message.bindToPort === false) return [];
  const main = {
    address: message.address,
    socketOptions: message.socketOptions,
    tcpKeepalive: message.tcpKeepalive,
  };
  const additional = message.additionalAddresses.map(({ address, socketOptions, tcpKeepalive }) => ({
    address,
    socketOptions: socketOptions?.socketOptions ?? message.socketOptions,
    tcpKeepalive: tcpKeepalive ?? message.tcpKeepalive,
  }));
  return [main, ...additional].map((entry) => {
    const address = addressOfMessage(entry.address);
    const pipe = entry.address?.address.case === 'pipe' ? entry.address.address.value : undefined;
    return {
      address,
      mode: pipe?.mode ?? 0,
      ipv6Only: isIpv6Only(entry.address),
      reusePort: !isPipe(address) && reusePort(message),
      backlog: message.tcpBacklogSize,
      bufferLimit,
      socket: acceptedSocketOptions(entry.socketOptions, entry.tcpKeepalive),
    };
  });
}

/** `reuse_port` is deprecated and without effect, as in Envoy. */
function reusePort(message: ListenerMessage): boolean {
  return message.enableReusePort ?? true;
}

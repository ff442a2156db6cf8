/** An address as `envoy.config.core.v3.Address` in JSON. */
import { isPipe } from '../../common/address.ts';
import type { Address } from '../../common/stream_info.ts';

export function addressJson(address: Address): object {
  if (isPipe(address)) return { pipe: { path: address.text } };
  return { socket_address: { address: address.ip, port_value: address.port } };
}

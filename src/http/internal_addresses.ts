/** Step 5 of the data path: internal_address_config, which clients are our own. */
import type { envoy } from '../api/envoy_types.ts';
import { CidrRanges } from '../common/cidr.ts';
import type { Address } from '../common/stream_info.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager_InternalAddressConfig;

export class InternalAddresses {
  private readonly unixSockets: boolean;
  private readonly ranges: CidrRanges;

  constructor(message: Message) {
    this.unixSockets = message.unixSockets;
    this.ranges = new CidrRanges(message.cidrRanges);
  }

  includes(address: Address): boolean {
    return address.ip === '' ? this.unixSockets : this.ranges.includes(address.ip);
  }
}

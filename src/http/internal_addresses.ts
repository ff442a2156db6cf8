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
    this.ranges = message.cidrRanges.length === 0 ? privateRanges : new CidrRanges(message.cidrRanges);
  }

  includes(address: Address): boolean {
    return address.ip === '' ? this.unixSockets : this.ranges.includes(address.ip);
  }
}

/** What counts where the configuration is there without ranges, as in Envoy: RFC 1918, RFC 4193 and this machine. */
const privateRanges = new CidrRanges(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.1/32', 'fc00::/7', '::1/128'].map((range) => {
    const [addressPrefix, length] = range.split('/');
    return { addressPrefix, prefixLen: Number(length) };
  }),
);

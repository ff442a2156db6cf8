/** Step 5 of the data path: original_ip_detection_extensions, which find a client's address where no edge is in front. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { CidrRanges } from '../common/cidr.ts';
import type { Address } from '../common/stream_info.ts';
import { addressFromRight, clientAddress, type DetectedAddress, lastUntrustedAddress } from './forwarded_for.ts';

/** Tried in their order until one knows the address. */
export interface OriginalIpDetection {
  /** The peer is to be appended to X-Forwarded-For, whether or not an address was found. */
  appendsForwardedFor(peer: Address): boolean;
  detect(headers: HeaderMap, peer: Address): DetectedAddress | undefined;
  /** Status of the answer to a request in which it finds nothing; 0: none, others may still know. */
  readonly rejectStatus: number;
}

type XffConfig = envoy.extensions.http.original_ip_detection.xff.v3.XffConfig;
type CustomHeaderConfig = envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig;

/** What is configured, or what `xff_num_trusted_hops` alone means. */
export function compileOriginalIpDetection(
  extensions: readonly envoy.config.core.v3.TypedExtensionConfig[],
  trustedHops: number,
): readonly OriginalIpDetection[] {
  if (extensions.length === 0) return [new ForwardedForHops(trustedHops, false)];
  return extensions.map((extension) => {
    const message = extension.typedConfig === undefined ? undefined : unpackAny(extension.typedConfig);
    switch (message?.$typeName) {
      case 'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig':
        return compileXff(message as unknown as XffConfig);
      case 'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig':
        return new HeaderDetection(message as unknown as CustomHeaderConfig);
      default:
        throw new Error(`${extension.name} is no original IP detection extension`);
    }
  });
}

function compileXff(message: XffConfig): OriginalIpDetection {
  const appends = !(message.skipXffAppend ?? true);
  if (message.xffTrustedCidrs === undefined) return new ForwardedForHops(message.xffNumTrustedHops, appends);
  return new ForwardedForRanges(new CidrRanges(message.xffTrustedCidrs.cidrs), appends);
}

/** So many proxies in front of us are known to append to X-Forwarded-For. */
class ForwardedForHops implements OriginalIpDetection {
  readonly rejectStatus = 0;
  private readonly position: number;
  private readonly appends: boolean;

  constructor(trustedHops: number, appends: boolean) {
    this.position = trustedHops + 1;
    this.appends = appends;
  }

  appendsForwardedFor(): boolean {
    return this.appends;
  }

  detect(headers: HeaderMap): DetectedAddress | undefined {
    return addressFromRight(headers, this.position);
  }
}

/** Proxies in these ranges are known to append to X-Forwarded-For; nothing counts that another peer sent. */
class ForwardedForRanges implements OriginalIpDetection {
  readonly rejectStatus = 0;
  private readonly proxies: CidrRanges;
  private readonly appends: boolean;

  constructor(proxies: CidrRanges, appends: boolean) {
    this.proxies = proxies;
    this.appends = appends;
  }

  /** A peer that is not trusted is appended even with skip_xff_append, as in Envoy. */
  appendsForwardedFor(peer: Address): boolean {
    return this.appends || !this.proxies.includes(peer.ip);
  }

  detect(headers: HeaderMap, peer: Address): DetectedAddress | undefined {
    return this.proxies.includes(peer.ip) ? lastUntrustedAddress(headers, this.proxies) : undefined;
  }
}

class HeaderDetection implements OriginalIpDetection {
  readonly rejectStatus: number;
  private readonly name: HeaderName;
  private readonly trusted: boolean;

  constructor(message: CustomHeaderConfig) {
    this.name = headerName(message.headerName);
    this.trusted = message.allowExtensionToSetAddressAsTrusted;
    this.rejectStatus = message.rejectWithStatus === undefined ? 0 : rejectStatus(message.rejectWithStatus.code);
  }

  appendsForwardedFor(): boolean {
    return false;
  }

  detect(headers: HeaderMap): DetectedAddress | undefined {
    const address = clientAddress(headers.get(this.name));
    return address === undefined ? undefined : { address, alone: this.trusted };
  }
}

/** Only errors may be answered; anything else is 403, as in Envoy. */
function rejectStatus(code: number): number {
  return code >= 400 && code <= 511 ? code : 403;
}

/** Response flags as the number that expressions and older protocols know: Envoy's bits from before the flags were ordered anew. */
import { ResponseFlag } from '../response_flags.ts';

/** By legacy bit. */
const order: readonly number[] = [
  ResponseFlag.FailedLocalHealthCheck,
  ResponseFlag.NoHealthyUpstream,
  ResponseFlag.UpstreamRequestTimeout,
  ResponseFlag.LocalReset,
  ResponseFlag.UpstreamRemoteReset,
  ResponseFlag.UpstreamConnectionFailure,
  ResponseFlag.UpstreamConnectionTermination,
  ResponseFlag.UpstreamOverflow,
  ResponseFlag.NoRouteFound,
  ResponseFlag.DelayInjected,
  ResponseFlag.FaultInjected,
  ResponseFlag.RateLimited,
  ResponseFlag.UnauthorizedExternalService,
  ResponseFlag.RateLimitServiceError,
  ResponseFlag.DownstreamConnectionTermination,
  ResponseFlag.UpstreamRetryLimitExceeded,
  ResponseFlag.StreamIdleTimeout,
  ResponseFlag.InvalidEnvoyRequestHeaders,
  ResponseFlag.DownstreamProtocolError,
  ResponseFlag.UpstreamMaxStreamDurationReached,
  ResponseFlag.ResponseFromCacheFilter,
  ResponseFlag.NoFilterConfigFound,
  ResponseFlag.DurationTimeout,
  ResponseFlag.UpstreamProtocolError,
  ResponseFlag.NoClusterFound,
  ResponseFlag.OverloadManagerTerminated,
  ResponseFlag.DnsResolutionFailed,
  ResponseFlag.DropOverload,
  ResponseFlag.DownstreamRemoteReset,
  ResponseFlag.UnconditionalDropOverload,
];

export function legacyFlags(flags: number): number {
  let legacy = 0;
  for (let bit = 0; bit < order.length; bit++) if ((flags & (1 << order[bit])) !== 0) legacy += 2 ** bit;
  return legacy;
}

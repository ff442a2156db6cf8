/** Envoy's response flags as bits of one number, in Envoy's fixed order, with their short and long names. */

/** Bit numbers; several flags are or-ed into `StreamInfo.responseFlags` as `1 << flag`. */
export const ResponseFlag = {
  FailedLocalHealthCheck: 0,
  NoHealthyUpstream: 1,
  UpstreamRequestTimeout: 2,
  LocalReset: 3,
  UpstreamRemoteReset: 4,
  UpstreamConnectionFailure: 5,
  UpstreamConnectionTermination: 6,
  UpstreamOverflow: 7,
  NoRouteFound: 8,
  DelayInjected: 9,
  FaultInjected: 10,
  RateLimited: 11,
  UnauthorizedExternalService: 12,
  RateLimitServiceError: 13,
  DownstreamConnectionTermination: 14,
  UpstreamRetryLimitExceeded: 15,
  StreamIdleTimeout: 16,
  InvalidEnvoyRequestHeaders: 17,
  DownstreamProtocolError: 18,
  UpstreamMaxStreamDurationReached: 19,
  ResponseFromCacheFilter: 20,
  NoFilterConfigFound: 21,
  DurationTimeout: 22,
  UpstreamProtocolError: 23,
  NoClusterFound: 24,
  OverloadManagerTerminated: 25,
  DnsResolutionFailed: 26,
  DropOverload: 27,
  DownstreamRemoteReset: 28,
  UnconditionalDropOverload: 29,
} as const;

export type ResponseFlag = (typeof ResponseFlag)[keyof typeof ResponseFlag];

/** Short names by bit number, as `%RESPONSE_FLAGS%` prints them. */
export const shortFlagNames: readonly string[] = [
  'LH', 'UH', 'UT', 'LR', 'UR', 'UF', 'UC', 'UO', 'NR', 'DI', 'FI', 'RL', 'UAEX', 'RLSE', 'DC', 'URX', 'SI', 'IH', 'DPE',
  'UMSDR', 'RFCF', 'NFCF', 'DT', 'UPE', 'NC', 'OM', 'DF', 'DO', 'DR', 'UDO',
]; // biome-ignore format: one screen

const longFlagNames: readonly string[] = Object.keys(ResponseFlag);

/** `UF,URX`, or `-` when no flag is set. */
export function shortFlags(flags: number): string {
  return joinFlags(flags, shortFlagNames);
}

/** `UpstreamConnectionFailure,UpstreamRetryLimitExceeded`, or `-`. */
export function longFlags(flags: number): string {
  return joinFlags(flags, longFlagNames);
}

function joinFlags(flags: number, names: readonly string[]): string {
  if (flags === 0) return '-';
  let text = '';
  for (let bit = 0; bit < names.length; bit++) {
    if ((flags & (1 << bit)) !== 0) text += text === '' ? names[bit] : `,${names[bit]}`;
  }
  return text;
}

/** Envoy's response flags as bits of one number, with their short and long names. */

/** Bit numbers; several flags are or-ed into `StreamInfo.responseFlags` as `1 << flag`. */
export const ResponseFlag = {
  NoHealthyUpstream: 0,
  UpstreamConnectionFailure: 1,
  UpstreamOverflow: 2,
  NoRouteFound: 3,
  UpstreamRetryLimitExceeded: 4,
  NoClusterFound: 5,
  DurationTimeout: 6,
  DownstreamConnectionTermination: 7,
  FailedLocalHealthCheck: 8,
  UpstreamRequestTimeout: 9,
  LocalReset: 10,
  UpstreamRemoteReset: 11,
  UpstreamConnectionTermination: 12,
  DelayInjected: 13,
  FaultInjected: 14,
  RateLimited: 15,
  UnauthorizedExternalService: 16,
  RateLimitServiceError: 17,
  InvalidEnvoyRequestHeaders: 18,
  StreamIdleTimeout: 19,
  DownstreamProtocolError: 20,
  UpstreamProtocolError: 21,
  UpstreamMaxStreamDurationReached: 22,
  ResponseFromCacheFilter: 23,
  NoFilterConfigFound: 24,
  OverloadManagerTerminated: 25,
  DnsResolutionFailed: 26,
  DropOverload: 27,
  UnconditionalDropOverload: 28,
  DownstreamRemoteReset: 29,
} as const;

export type ResponseFlag = (typeof ResponseFlag)[keyof typeof ResponseFlag];

/** Short names by bit number, as `%RESPONSE_FLAGS%` prints them. */
export const shortFlagNames: readonly string[] = [
  'UH', 'UF', 'UO', 'NR', 'URX', 'NC', 'DT', 'DC', 'LH', 'UT', 'LR', 'UR', 'UC', 'DI', 'FI', 'RL', 'UAEX', 'RLSE',
  'IH', 'SI', 'DPE', 'UPE', 'UMSDR', 'RFCF', 'NFCF', 'OM', 'DF', 'DO', 'UDO', 'DR',
]; // biome-ignore format: one screen

const longFlagNames: readonly string[] = Object.keys(ResponseFlag);

/** A digit for each flag, and none for no flag. */
const orderBase = 32;

/** An order of flags, kept as digits of one number, with a further one at its end; there is room for ten. */
export function orderedFlags(order: number, flag: number): number {
  return order * orderBase + flag + 1;
}

/** `UF,URX` in the order in which they were set, as in Envoy, or `-` when no flag is set. */
export function shortFlags(order: number): string {
  return joinFlags(order, shortFlagNames);
}

/** `UpstreamConnectionFailure,UpstreamRetryLimitExceeded`, or `-`. */
export function longFlags(order: number): string {
  return joinFlags(order, longFlagNames);
}

function joinFlags(order: number, names: readonly string[]): string {
  if (order === 0) return '-';
  let text = '';
  for (let rest = order; rest > 0; rest = Math.floor(rest / orderBase)) {
    const name = names[(rest % orderBase) - 1];
    text = text === '' ? name : `${name},${text}`;
  }
  return text;
}

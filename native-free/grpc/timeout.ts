/** The `grpc-timeout` header (gRPC over HTTP/2, "Requests"): at most 8 digits and a unit. */

const unitMs: { readonly [unit: string]: number } = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const mostValue = 99_999_999;

/** Milliseconds, rounded up as in Envoy; undefined when there is no timeout or it is none. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  if (value === undefined || value.length < 2) return undefined;
  const unit = unitMs[value[value.length - 1]];
  const digits = value.slice(0, -1);
  // Envoy reads a number and bounds it, so that leading zeros do not count.
  if (unit === undefined || !/^\d{1,18}$/.test(digits)) return undefined;
  const count = Number(digits);
  return count > mostValue ? undefined : Math.ceil(count * unit);
}

/** The coarsest writing of whole milliseconds that Envoy would choose. */
export function formatGrpcTimeout(milliseconds: number): string {
  if (milliseconds <= mostValue) return `${Math.trunc(milliseconds)}m`;
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds <= mostValue) return `${seconds}S`;
  const minutes = Math.trunc(seconds / 60);
  return minutes <= mostValue ? `${minutes}M` : `${Math.min(Math.trunc(minutes / 60), mostValue)}H`;
}

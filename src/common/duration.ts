/** google.protobuf.Duration in milliseconds. */

/** Undefined stays undefined, so that a default can follow by `??`. */
export function durationMs(duration: { seconds: bigint; nanos: number } | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

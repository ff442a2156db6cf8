/** envoy.filters.listener.local_ratelimit: closes connections over a rate before anything is read of them. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { runtimeFlag } from '../../../../common/runtime_flag.ts';
import { tokenBucketSettings } from '../../../../common/token_bucket_settings.ts';
import { type ListenerFilterMaker, ListenerFilterStatus } from '../../../../spi/listener_filter.ts';
import type { ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';

type Message = envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit;

export default function create(
  { statPrefix, tokenBucket, runtimeEnabled }: Message,
  { stats, named, runtime }: WorkerContext,
  listener: ListenerInfo,
): ListenerFilterMaker {
  const limited = stats.counter(`listener_local_ratelimit.${statPrefix}.rate_limited`);
  const bucket = named.tokenBucket(`listener ${listener.name} ${statPrefix}`, tokenBucketSettings(tokenBucket!));
  const enabled = runtimeFlag(runtimeEnabled, runtime);
  const filter = {
    maxReadBytes: 0,
    onAccept() {
      if (!enabled() || bucket.consume()) return ListenerFilterStatus.Continue;
      limited.values[limited.index]++;
      return ListenerFilterStatus.Close;
    },
  };
  return () => filter;
}

/** envoy.filters.network.local_ratelimit: ends new connections over a rate, counted over all workers. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { ResponseFlag } from '../../../../common/response_flags.ts';
import { runtimeFlag } from '../../../../common/runtime_flag.ts';
import { tokenBucketSettings } from '../../../../common/token_bucket_settings.ts';
import { NetworkFilterStatus, type ReadFilterMaker } from '../../../../spi/network_filter.ts';
import type { ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';

type Message = envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit;

export default function create(
  { statPrefix, tokenBucket, runtimeEnabled, shareKey }: Message,
  { stats, named, runtime }: WorkerContext,
  listener: ListenerInfo,
): ReadFilterMaker {
  const limited = stats.counter(`local_rate_limit.${statPrefix}.rate_limited`);
  const settings = tokenBucketSettings(tokenBucket!);
  // Filters with the same key and the same settings take from one bucket.
  const name = shareKey === '' ? `network ${listener.name} ${statPrefix}` : `${shareKey} ${JSON.stringify(settings)}`;
  const bucket = named.tokenBucket(name, settings);
  const enabled = runtimeFlag(runtimeEnabled, runtime);
  return ({ connection, info }) => ({
    onNewConnection() {
      if (!enabled() || bucket.consume()) return NetworkFilterStatus.Continue;
      limited.values[limited.index]++;
      info.stream?.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
      connection.closeNow();
      return NetworkFilterStatus.StopIteration;
    },
  });
}

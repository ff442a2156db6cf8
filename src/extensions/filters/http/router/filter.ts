/** envoy.filters.http.router: the terminal filter that takes a request to its cluster. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { RouterFilter } from '../../../../router/router.ts';
import { compileRouterConfig } from '../../../../router/router_config.ts';
import type { StreamFilter } from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';

export default function create(
  message: envoy.extensions.filters.http.router.v3.Router,
  context: WorkerContext,
  statPrefix: string,
): () => StreamFilter {
  const config = compileRouterConfig(message, context, statPrefix);
  return () => new RouterFilter(config);
}

/** envoy.config.core.v3.RuntimeFeatureFlag compiled: whether a filter is on at present. */
import type { envoy } from '../api/envoy_types.ts';
import type { Runtime } from './runtime.ts';

/** Without a message: on. */
export function runtimeFlag(
  message: envoy.config.core.v3.RuntimeFeatureFlag | undefined,
  runtime: Runtime,
): () => boolean {
  if (message === undefined) return () => true;
  const fallback = message.defaultValue ?? true;
  return () => runtime.boolean(message.runtimeKey, fallback);
}

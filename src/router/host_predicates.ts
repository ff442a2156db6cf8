/** retry_host_predicate and retry_priority of a retry policy: which hosts and priority levels another try leaves out. */
import type { JsonObject } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import type { Host } from '../upstream/host.ts';

/** True: not this host, if there is another one. */
export type HostPredicate = (host: Host, tried: readonly Host[]) => boolean;

const namespace = 'envoy.lb';

/** Extensions are known by the type of their configuration, and by name where there is none. */
export function compileHostPredicate({
  name,
  configType,
}: envoy.config.route.v3.RetryPolicy_RetryHostPredicate): HostPredicate {
  const any = configType.case === 'typedConfig' ? configType.value : undefined;
  switch (any === undefined ? name : typeNameOf(any.typeUrl)) {
    case 'envoy.retry_host_predicates.previous_hosts':
    case 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate':
      return (host, tried) => tried.includes(host);
    case 'envoy.retry_host_predicates.omit_canary_hosts':
    case 'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate':
      return (host) => host.lbMetadata?.canary === true;
    case 'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig': {
      const config = unpackAny(any!) as unknown as { readonly metadataMatch?: envoy.config.core.v3.Metadata };
      const labels = Object.entries(config.metadataMatch?.filterMetadata[namespace] ?? {});
      return (host) => labels.length > 0 && labels.every(([key, value]) => holds(host.lbMetadata, key, value));
    }
    default:
      throw new Error(`retry host predicate ${name} is not supported`);
  }
}

/** The value itself, or a list that has it. */
function holds(metadata: JsonObject | undefined, key: string, wanted: unknown): boolean {
  const value = metadata?.[key];
  const text = JSON.stringify(wanted);
  if (JSON.stringify(value) === text) return true;
  return Array.isArray(value) && value.some((item) => JSON.stringify(item) === text);
}

/** How many tries go by before the levels tried so far are avoided; undefined: none ever is (no previous_priorities). */
export function compileRetryPriority(
  message: envoy.config.route.v3.RetryPolicy_RetryPriority | undefined,
): number | undefined {
  if (message?.configType.case !== 'typedConfig') return undefined;
  const { updateFrequency } = unpackAny(message.configType.value) as unknown as { readonly updateFrequency: number };
  return updateFrequency;
}

/** Control path, step 3: replies of the first API's REST services as the v3 resources a subscription takes. */
import type { envoy } from '../api/envoy_types.ts';
import { readLegacyReplyText } from '../config/read_legacy_reply.ts';
import { nameOf } from './decode.ts';
import type { DecodedResource } from './subscription.ts';

const kinds = {
  'envoy.config.endpoint.v3.ClusterLoadAssignment': 'registration',
  'envoy.config.cluster.v3.Cluster': 'clusters',
  'envoy.config.route.v3.RouteConfiguration': 'routes',
  'envoy.config.listener.v3.Listener': 'listeners',
} as const;

/**
 * `name` is what was asked for; `endpoints` where clusters of type sds have their hosts registered. Throws an Error with every
 * reason when the reply cannot be used.
 */
export function readLegacyReply(
  typeName: string,
  name: string,
  body: string,
  endpoints: envoy.config.core.v3.ConfigSource | undefined,
): readonly DecodedResource[] {
  if (!(typeName in kinds)) throw new Error(`${typeName} has no v1 service`);
  const messages = readLegacyReplyText(kinds[typeName as keyof typeof kinds], name, body, endpoints);
  return messages.map((message) => ({ name: nameOf(message), version: '', message, ttl: 0 }));
}

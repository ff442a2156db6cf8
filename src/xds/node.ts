/** Control path, step 3: the node as control planes are told it. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import type { ExtensionFactory } from '../spi/extension.ts';

type Node = envoy.config.core.v3.Node;

/** Control planes choose what they send by Envoy's version: this is the one nuncio behaves as. */
const envoyVersion = { majorNumber: 1, minorNumber: 40, patch: 0 };

/** What Envoy says it can do, as far as it holds here. */
const clientFeatures = [
  'envoy.lb.does_not_support_overprovisioning',
  'envoy.lrs.supports_send_all_clusters',
  'xds.config.resource-in-sotw',
];

/**
 * `userAgent` is `envoy` unless told otherwise. Envoy lists 77 KB of extension names in every request; here are those there are.
 */
export function nodeForXds(node: Node, userAgent: string, extensions: readonly ExtensionFactory[]): Node {
  const extensionType = messageType('envoy.config.core.v3.Extension');
  return create(messageType('envoy.config.core.v3.Node'), {
    ...node,
    userAgentName: userAgent,
    userAgentVersionType: {
      case: 'userAgentBuildVersion',
      value: create(messageType('envoy.config.core.v3.BuildVersion'), { version: envoyVersion } as never),
    },
    clientFeatures: [...new Set([...node.clientFeatures, ...clientFeatures])],
    extensions: extensions.map(({ name, category, typeName }) =>
      create(extensionType, { name, category, typeUrls: [typeName] } as never),
    ),
  } as never) as unknown as Node;
}

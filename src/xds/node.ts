/** Control path, step 3: the node as control planes are told it. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { BUILD } from '../common/version.ts';
import type { ExtensionFactory } from '../spi/extension.ts';

type Node = envoy.config.core.v3.Node;

/** Control planes choose what they send by Envoy's version: this is the one nuncio behaves as. */
const envoyVersion = { majorNumber: 1, minorNumber: 40, patch: 0 };

const buildMetadata = {
  'revision.sha': BUILD.revision,
  'revision.status': BUILD.status,
  'build.type': BUILD.type,
  'ssl.version': BUILD.ssl,
};

/**
 * `userAgent` is `envoy` unless told otherwise. Envoy adds no client features of its own for xDS. It lists 77 KB of extension names
 * in every request; here are those there are.
 */
export function nodeForXds(node: Node, userAgent: string, extensions: readonly ExtensionFactory[]): Node {
  const extensionType = messageType('envoy.config.core.v3.Extension');
  return create(messageType('envoy.config.core.v3.Node'), {
    ...node,
    userAgentName: userAgent,
    userAgentVersionType: {
      case: 'userAgentBuildVersion',
      value: create(messageType('envoy.config.core.v3.BuildVersion'), {
        version: envoyVersion,
        metadata: buildMetadata,
      } as never),
    },
    extensions: extensions.map(({ name, category, typeName }) =>
      create(extensionType, { name, category, typeUrls: [typeName] } as never),
    ),
  } as never) as unknown as Node;
}

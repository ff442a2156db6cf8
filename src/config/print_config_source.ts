/** A ConfigSource as the source tree it could have been read from, for configurations that are made of others. */
import { toJson } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { Origins } from './origins.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';
import type { MapNode } from './source_tree.ts';

export function printConfigSource(source: envoy.config.core.v3.ConfigSource): MapNode {
  const type = messageType('envoy.config.core.v3.ConfigSource');
  const json = toJson(type, source as never, { registry, useProtoFieldName: true, alwaysEmitImplicit: true });
  const text = new SourceText('default_config_source', JSON.stringify(json));
  return readYaml(text, new Report(new Origins()), true) as MapNode;
}

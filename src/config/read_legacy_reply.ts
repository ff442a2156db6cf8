/**
 * Replies of the first API's REST services → v3 messages (control path, step 2): registrations become endpoints, the others are
 * read as the v1 files they are parts of. Every error at once, each with its line.
 */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { factories } from '../extensions/registry.ts';
import { Converter } from './convert.ts';
import { ExtensionLookup } from './extension_points.ts';
import { Origins } from './origins.ts';
import { printConfigSource } from './print_config_source.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';
import { Changes } from './upgrade/changes.ts';
import { UpgradeContext } from './upgrade/context.ts';
import { convertReply, type ReplyKind } from './upgrade/v1_to_v3/replies.ts';

const typeNames: Readonly<Record<ReplyKind, string>> = {
  registration: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  clusters: 'envoy.config.cluster.v3.Cluster',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  listeners: 'envoy.config.listener.v3.Listener',
};

/**
 * `name` is what was asked for; `endpoints` where clusters of type sds have their hosts registered. Throws an Error with every
 * reason when the reply cannot be used: then none of it is.
 */
export function readLegacyReplyText(
  kind: ReplyKind,
  name: string,
  body: string,
  endpoints: envoy.config.core.v3.ConfigSource | undefined,
): AnyMessage[] {
  const origins = new Origins();
  const report = new Report(origins);
  const type = messageType(typeNames[kind]);
  const source = new SourceText('reply', body);
  const tree = readYaml(source, report, true);
  const context = new UpgradeContext(report, new Changes());
  if (endpoints !== undefined) context.endpointSource = printConfigSource(endpoints);
  const trees = tree === undefined ? [] : convertReply(kind, name, tree, context);
  const converter = new Converter(report, origins, new ExtensionLookup(factories));
  const messages = trees.flatMap((each) => converter.message(type, each, '', create(type) as AnyMessage) ?? []);
  if (tree === undefined && report.errors.length === 0) throw new Error('the reply is empty');
  if (report.errors.length > 0) {
    throw new Error(report.errors.map(({ line, column, reason }) => `${line}:${column}: ${reason}`).join('; '));
  }
  return messages;
}

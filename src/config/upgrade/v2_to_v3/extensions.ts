/** v2's extensions, found by name and configured by a Struct, → v3's, found by the type of their configuration (control path, step 1). */
import { findMessageType } from '../../../api/registry.ts';
import type { MapEntry, MapNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, map, scalar } from '../edit.ts';
import { type Category, extensionOfV2, type KnownExtension } from '../extension_names.ts';
import { convertV1Filter } from '../v1_to_v3/filters.ts';
import { become } from './rename.ts';
import type { Rule, Rules } from './rules.ts';

function upgradeExtension(category: Category): Rule {
  return (fields, context) => {
    const name = fields.get('name');
    const config = fields.take('config');
    const text = fields.text('name') ?? '';
    const known = extensionOfV2(category, text);
    const isOld = known !== undefined && known.name !== text;
    if (name !== undefined && isOld) {
      const entry = fields.replace(name, name.key, scalar(known.name, name.value));
      context.changes.converted(name.value, entry, `v2 name '${text}'`, `'${known.name}'`);
    }
    if (config !== undefined) {
      if (known === undefined || findMessageType(known.type) === undefined) unknown(config, text, context);
      else become(fields, config, 'typed_config', typed(config, known, category, context), context);
    } else if (known !== undefined && isBare(fields) && findMessageType(known.type) !== undefined) {
      fields.take('typed_config');
      const entry = fields.put('typed_config', map({ '@type': `type.googleapis.com/${known.type}` }, name!), name!);
      context.changes.comment(entry, 'was left out: the name was enough once');
    }
  };
}

/** Nothing but its name, or `{}`: it needed no configuration as long as extensions were found by name. */
function isBare(fields: Fields): boolean {
  const config = fields.get('typed_config')?.value;
  const isEmpty = config === undefined || (config.kind === 'map' && config.entries.length === 0);
  return isEmpty && fields.get('config_discovery') === undefined;
}

function unknown(config: MapEntry, name: string, { report }: UpgradeContext): void {
  const gone = extensionOfV2('http', name)?.type === '';
  const reason = gone ? `${name} is gone from Envoy` : `no extension is known by the name '${name}'`;
  report.error(
    config.keyAt,
    '',
    `${reason}: its 'config' cannot be read`,
    gone ? undefined : "give it a 'typed_config' with its '@type'",
  );
}

function typed(config: MapEntry, known: KnownExtension, category: Category, context: UpgradeContext): MapNode {
  const type = map({ '@type': `type.googleapis.com/${known.type}` }, config);
  if (config.value.kind !== 'map') return type;
  const fields = new Fields(config.value);
  const old = fields.get('deprecated_v1');
  const value = fields.get('value');
  // A v1 configuration in a v2 file: `{deprecated_v1: true, value: {…}}`.
  if (old?.value.kind === 'scalar' && old.value.value === true && value?.value.kind === 'map') {
    const inner = convertV1Filter(category, known.name, value.value, context);
    return { ...type, entries: [...type.entries, ...inner.entries] };
  }
  return { ...config.value, entries: [...type.entries, ...config.value.entries] };
}

export const extensionRules: Rules = {
  'envoy.config.listener.v3.Filter': upgradeExtension('network'),
  'envoy.config.listener.v3.ListenerFilter': upgradeExtension('listener'),
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter': upgradeExtension('http'),
  'envoy.config.accesslog.v3.AccessLog': upgradeExtension('access_log'),
  'envoy.config.core.v3.TransportSocket': upgradeTransportSocket,
  'envoy.config.metrics.v3.StatsSink': upgradeExtension('stat_sink'),
  'envoy.config.trace.v3.Tracing.Http': upgradeExtension('tracer'),
  'envoy.config.route.v3.RetryPolicy.RetryHostPredicate': upgradeExtension('other'),
  'envoy.config.route.v3.RetryPolicy.RetryPriority': upgradeExtension('other'),
  'envoy.config.core.v3.HealthCheck.CustomHealthCheck': upgradeExtension('other'),
  'envoy.config.overload.v3.ResourceMonitor': upgradeExtension('other'),
};

/** TLS is one name for two types. */
function upgradeTransportSocket(fields: Fields, context: UpgradeContext): void {
  const name = fields.text('name');
  const config = fields.get('config');
  if ((name !== 'tls' && name !== 'envoy.transport_sockets.tls') || config === undefined) {
    upgradeExtension('transport_socket')(fields, context);
    return;
  }
  fields.take('config');
  const downstream = context.inListener;
  const type = `envoy.extensions.transport_sockets.tls.v3.${downstream ? 'Downstream' : 'Upstream'}TlsContext`;
  become(fields, config, 'typed_config', typed(config, { name, type }, 'transport_socket', context), context);
}

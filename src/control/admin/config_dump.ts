/** GET /config_dump: the configuration in use, secrets left out. */
import type { Message } from '@bufbuild/protobuf';
import { toJson } from '@bufbuild/protobuf';
import { messageType, registry } from '../../api/registry.ts';
import { maskFields } from './config_dump_mask.ts';
import { redact } from './config_dump_redact.ts';
import type { AdminContext, ConfigResource } from './context.ts';
import { type AdminReply, type AdminRequest, type Endpoint, json } from './endpoint.ts';
import { compileRegex, type Matcher } from './regex_param.ts';

type JsonRecord = Record<string, unknown>;

/** How a kind of resource lies in its dump. */
interface Section {
  readonly dump: string;
  /** Full name of the resource's message; undefined for dumps that are always empty. */
  readonly type?: string;
  /** Field that holds the resource in an entry. */
  readonly field?: string;
  readonly static?: readonly [list: string, entry: string];
  readonly dynamic?: readonly [list: string, entry: string];
  readonly warming?: readonly [list: string, entry: string];
  /** Entries that came from a control plane carry name and state (listeners) rather than the resource itself. */
  readonly states?: boolean;
  /** Entries have the resource's name beside it. */
  readonly named?: boolean;
  readonly withEds?: boolean;
  /** Left out when it is empty. */
  readonly ifAny?: boolean;
}

const sections: readonly Section[] = [
  {
    dump: 'ClustersConfigDump',
    type: 'envoy.config.cluster.v3.Cluster',
    field: 'cluster',
    static: ['static_clusters', 'StaticCluster'],
    dynamic: ['dynamic_active_clusters', 'DynamicCluster'],
    warming: ['dynamic_warming_clusters', 'DynamicCluster'],
  },
  {
    dump: 'EndpointsConfigDump',
    type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
    field: 'endpoint_config',
    static: ['static_endpoint_configs', 'StaticEndpointConfig'],
    dynamic: ['dynamic_endpoint_configs', 'DynamicEndpointConfig'],
    withEds: true,
  },
  {
    dump: 'EcdsConfigDump',
    type: 'envoy.config.core.v3.TypedExtensionConfig',
    field: 'ecds_filter',
    dynamic: ['ecds_filters', 'EcdsFilterConfig'],
    ifAny: true,
  },
  {
    dump: 'ListenersConfigDump',
    type: 'envoy.config.listener.v3.Listener',
    field: 'listener',
    static: ['static_listeners', 'StaticListener'],
    dynamic: ['dynamic_listeners', 'DynamicListener'],
    states: true,
  },
  {
    dump: 'ScopedRoutesConfigDump',
    type: 'envoy.config.route.v3.ScopedRouteConfiguration',
    field: 'scoped_route_configs',
    static: ['inline_scoped_route_configs', 'InlineScopedRouteConfigs'],
    dynamic: ['dynamic_scoped_route_configs', 'DynamicScopedRouteConfigs'],
    named: true,
  },
  {
    dump: 'RoutesConfigDump',
    type: 'envoy.config.route.v3.RouteConfiguration',
    field: 'route_config',
    static: ['static_route_configs', 'StaticRouteConfig'],
    dynamic: ['dynamic_route_configs', 'DynamicRouteConfig'],
  },
  {
    dump: 'SecretsConfigDump',
    type: 'envoy.extensions.transport_sockets.tls.v3.Secret',
    field: 'secret',
    static: ['static_secrets', 'StaticSecret'],
    dynamic: ['dynamic_active_secrets', 'DynamicSecret'],
    warming: ['dynamic_warming_secrets', 'DynamicSecret'],
    named: true,
  },
];

const adminType = 'type.googleapis.com/envoy.admin.v3.';

export const configDump: Endpoint = {
  path: '/config_dump',
  help: 'dump current Envoy configs',
  params: [
    { name: 'resource', help: 'The resource to dump' },
    {
      name: 'mask',
      help: 'The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask',
    },
    {
      name: 'name_regex',
      help: 'Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.',
    },
    {
      name: 'include_eds',
      help: 'Dump currently loaded configuration including EDS. See the response definition for more information',
    },
  ],
  handle(context, request) {
    const source = request.query.get('name_regex') ?? '';
    const matches = source === '' ? () => true : compileRegex(source, true);
    if (typeof matches !== 'function') {
      return plain(400, `INVALID_ARGUMENT: Error while parsing name_regex from ${source}: ${matches.error}`);
    }
    const resource = request.query.get('resource') ?? '';
    return resource === '' ? dumpAll(context, request, matches) : dumpResource(context, request, matches, resource);
  },
};

function dumpAll(context: AdminContext, { query }: AdminRequest, matches: Matcher): AdminReply {
  const mask = query.get('mask') ?? '';
  let configs: JsonRecord[] = [bootstrapDump(context)];
  for (const section of sectionsFor(query)) {
    const dump = sectionDump(context, section, matches);
    if (section.ifAny !== true || section.dynamic![0] in dump) configs.push(dump);
  }
  if (mask !== '') {
    configs = configs.map((config) => maskFields(config, mask)).filter((config) => config !== undefined);
    if (configs.length === 0) return plain(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  }
  return json(configs.length === 0 ? {} : { configs });
}

function dumpResource(context: AdminContext, { query }: AdminRequest, matches: Matcher, resource: string): AdminReply {
  if (resource === 'bootstrap') {
    return plain(400, 'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field');
  }
  const mask = query.get('mask') ?? '';
  for (const section of sectionsFor(query)) {
    const list = [section.static, section.dynamic, section.warming].find((each) => each?.[0] === resource);
    if (list === undefined) continue;
    const entries = (sectionDump(context, section, matches)[resource] ?? []) as JsonRecord[];
    const configs: JsonRecord[] = [];
    for (const entry of entries) {
      const masked = mask === '' ? entry : maskFields(entry, mask);
      if (masked === undefined) return plain(400, badMask(mask));
      configs.push({ '@type': `${adminType}${section.dump}.${list[1]}`, ...masked });
    }
    return json(configs.length === 0 ? {} : { configs });
  }
  return plain(404, `${resource} not found in config dump`);
}

function badMask(mask: string): string {
  const paths = mask.split(',').map((path) => `paths: ${JSON.stringify(path)}\n`);
  return `FieldMask ${paths.join('')} could not be successfully used.`;
}

function plain(status: number, body: string): AdminReply {
  return { status, contentType: 'text/plain', body };
}

function sectionsFor(query: URLSearchParams): readonly Section[] {
  return query.has('include_eds') ? sections : sections.filter(({ withEds }) => !withEds);
}

function bootstrapDump({ bootstrap, startTime }: AdminContext): JsonRecord {
  return {
    '@type': `${adminType}BootstrapConfigDump`,
    bootstrap: messageJson('envoy.config.bootstrap.v3.Bootstrap', bootstrap),
    last_updated: timestamp(startTime),
  };
}

function sectionDump(context: AdminContext, section: Section, matches: Matcher): JsonRecord {
  const dump: JsonRecord = { '@type': `${adminType}${section.dump}` };
  if (section.type === undefined) return dump;
  const resources = context.resources().filter(({ type, name }) => type === section.type && matches(name));
  const version = context.latestVersion(section.type);
  // One version for all: clusters and listeners come in one subscription each.
  if (version !== undefined && (section.warming !== undefined || section.states) && !section.named) {
    dump['version_info'] = version;
  }
  const byName = new Map<string, JsonRecord>();
  for (const resource of resources) {
    const [list] = listOf(section, resource);
    const { name } = resource;
    const present = byName.get(name);
    // A listener has one entry for all of its states; what was refused stands with what is in use instead.
    if (present !== undefined && (section.states || resource.refused !== undefined)) {
      Object.assign(present, entryOf(section, resource));
      continue;
    }
    const entry = entryOf(section, resource);
    if (resource.version !== undefined) byName.set(name, entry);
    dump[list] ??= [];
    (dump[list] as JsonRecord[]).push(entry);
  }
  return dump;
}

function listOf(section: Section, { version, warming, refused }: ConfigResource): readonly [string, string] {
  if (version === undefined) return section.static!;
  return (warming || refused !== undefined) && section.warming !== undefined ? section.warming : section.dynamic!;
}

function entryOf(section: Section, resource: ConfigResource): JsonRecord {
  const { type, name, version, lastUpdated } = resource;
  const message = typeof resource.message === 'function' ? resource.message() : resource.message;
  if (resource.refused !== undefined) return refusedEntry(section, resource, resource.refused);
  const entry: JsonRecord = {
    ...(version === undefined || section.withEds ? {} : { version_info: version }),
    ...(section.named ? { last_updated: timestamp(lastUpdated) } : {}),
    [section.field!]: Array.isArray(message) ? message.map((each) => typed(type, each)) : typed(type, message),
    ...(section.named || section.withEds ? {} : { last_updated: timestamp(lastUpdated) }),
  };
  if (section.named) return { name, ...entry };
  if (!section.states || version === undefined) return entry;
  return { name, [stateOf(resource)]: entry };
}

function typed(type: string, message: unknown): JsonRecord {
  return { '@type': `type.googleapis.com/${type}`, ...messageJson(type, message) };
}

function stateOf({ warming, draining }: ConfigResource): string {
  if (draining) return 'draining_state';
  return warming ? 'warming_state' : 'active_state';
}

/** Envoy shows it of listeners only. */
function refusedEntry(
  section: Section,
  { type, name, message, version, lastUpdated }: ConfigResource,
  details: string,
): JsonRecord {
  return {
    ...(section.states || section.named ? { name } : {}),
    error_state: {
      failed_configuration: typed(type, message),
      last_update_attempt: timestamp(lastUpdated),
      details,
      version_info: version,
    },
    client_status: 'NACKED',
  };
}

/** Canonical JSON with the field names of the proto files and nothing secret in it. */
function messageJson(type: string, message: unknown): JsonRecord {
  const description = messageType(type);
  const value = toJson(description, message as Message, { registry, useProtoFieldName: true });
  return redact(value, description) as JsonRecord;
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

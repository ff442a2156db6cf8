/** A whole v1 file → a v3 bootstrap (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, itemsOf, list, map, textOf } from '../edit.ts';
import { extensionOfV1 } from '../extension_names.ts';
import { grpcService, layeredRuntime } from '../v2_to_v3/bootstrap.ts';
import { fileLog } from './access_log.ts';
import { addressOf } from './addresses.ts';
import { convertCluster, restSource } from './clusters.ts';
import { convertListener } from './listeners.ts';
import { type Section, sectionOf } from './section.ts';

/** By what only v1 has: a cluster_manager that holds clusters, listeners at the top with addresses that are URLs. */
export function isV1(tree: SourceNode): boolean {
  if (tree.kind !== 'map') return false;
  const fields = new Fields(tree);
  if (fields.get('static_resources') !== undefined || fields.get('dynamic_resources') !== undefined) return false;
  const manager = fields.get('cluster_manager')?.value;
  if (manager?.kind === 'map') {
    const inner = new Fields(manager);
    if (['clusters', 'sds', 'cds'].some((name) => inner.get(name) !== undefined)) return true;
  }
  return itemsOf(fields.get('listeners')?.value).some(
    (listener) => listener.kind === 'map' && new Fields(listener).get('address')?.value.kind === 'scalar',
  );
}

export function convertV1(tree: MapNode, context: UpgradeContext): MapNode {
  context.changes.general(
    tree.entries[0] ?? tree,
    "this is a file of Envoy's first API: it was converted to v3 as a whole ('nuncio convert' prints it)",
  );
  context.version = 'v1';
  const clusters: SourceNode[] = [];
  const listeners: SourceNode[] = [];
  const dynamic = new Fields(map({}, tree));
  const root = sectionOf(tree, 'a v1 file', context)!;
  const admin = root.section('admin', "v1's admin");
  if (admin !== undefined) root.out.put('admin', convertAdmin(admin), admin.node);
  // Before what uses them.
  takeRateLimitService(root);
  takeTracing(root);
  const managerEntry = root.take('cluster_manager');
  const manager = managerEntry && sectionOf(managerEntry.value, "v1's cluster_manager", context);
  if (manager !== undefined) convertClusterManager(manager, clusters, dynamic, root.out);
  const listed = root.take('listeners');
  for (const node of itemsOf(listed?.value)) listeners.push(convertListener(node, context) ?? node);
  const lds = root.take('lds');
  if (lds !== undefined) discover(lds, 'lds_config', dynamic, context);
  const resources = new Fields(map({}, tree));
  if (listed !== undefined) resources.put('listeners', list(listeners, listed), listed);
  if (managerEntry !== undefined) resources.put('clusters', list(clusters, managerEntry), managerEntry);
  root.out.put('static_resources', resources.done(), listed ?? managerEntry ?? tree);
  if (dynamic.entries().length > 0) root.out.put('dynamic_resources', dynamic.done(), tree);
  convertRest(root);
  return root.done();
}

function convertAdmin(section: Section): MapNode {
  section.field('address', 'address', (value) => addressOf(value, section.context));
  section.field('access_log_path', 'access_log', (value) =>
    list([map({ name: 'envoy.access_loggers.file', typed_config: fileLog(value, undefined, value) }, value)], value),
  );
  section.fields('profile_path');
  return section.done();
}

function convertClusterManager(section: Section, clusters: SourceNode[], dynamic: Fields, out: Fields): void {
  const { context } = section;
  const sds = section.take('sds');
  const cds = section.take('cds');
  if (sds !== undefined) takeSds(sds, clusters, context);
  if (cds !== undefined) {
    const service = sectionOf(cds.value, 'v1 cds', context);
    const cluster = service?.take('cluster');
    const delay = service?.take('refresh_delay_ms');
    service?.done();
    const source = cluster && serviceCluster(cluster, delay, clusters, context);
    if (source !== undefined) dynamic.put('cds_config', source, cds);
    // Clusters that are discovered have their hosts registered at the same place.
    if (context.endpointSource !== undefined && sds !== undefined)
      out.put('default_config_source', context.endpointSource, sds);
  }
  const listed = section.take('clusters');
  for (const node of itemsOf(listed?.value)) clusters.push(convertCluster(node, context) ?? node);
  const manager = new Fields(map({}, section.node));
  const local = section.take('local_cluster_name');
  if (local !== undefined) manager.put('local_cluster_name', local.value, local);
  const outliers = section.take('outlier_detection');
  if (outliers !== undefined) manager.put('outlier_detection', outliers.value, outliers);
  section.done();
  if (manager.entries().length > 0) out.put('cluster_manager', manager.done(), section.node);
}

/** Its cluster becomes a static one, and every cluster of type sds asks it. */
function takeSds(sds: MapEntry, clusters: SourceNode[], context: UpgradeContext): void {
  const service = sectionOf(sds.value, 'v1 sds', context);
  const cluster = service?.take('cluster');
  const delay = service?.take('refresh_delay_ms');
  service?.done();
  if (cluster !== undefined) context.endpointSource = serviceCluster(cluster, delay, clusters, context);
  else context.error(sds, "sds needs a 'cluster'");
}

function serviceCluster(
  cluster: MapEntry,
  delay: MapEntry | undefined,
  clusters: SourceNode[],
  context: UpgradeContext,
): MapNode | undefined {
  const converted = convertCluster(cluster.value, context);
  if (converted === undefined) return undefined;
  clusters.push(converted);
  const name = new Fields(converted).get('name');
  return name && restSource(name.value, delay, context);
}

/** `lds` names a cluster of the file. */
function discover(entry: MapEntry, name: string, dynamic: Fields, context: UpgradeContext): void {
  const service = sectionOf(entry.value, `v1 ${entry.key}`, context);
  const cluster = service?.take('cluster');
  const delay = service?.take('refresh_delay_ms');
  service?.done();
  if (cluster !== undefined) dynamic.put(name, restSource(cluster.value, delay, context), entry);
}

function takeRateLimitService(root: Section): void {
  const entry = root.take('rate_limit_service');
  const service = entry && sectionOf(entry.value, 'v1 rate_limit_service', root.context);
  if (entry === undefined || service === undefined) return;
  service.take('type');
  const config = service.section('config', 'v1 rate_limit_service');
  const cluster = config?.take('cluster_name');
  config?.done();
  service.done();
  if (cluster === undefined) root.context.error(entry, "rate_limit_service needs a 'config' with a 'cluster_name'");
  else {
    root.context.rateLimitService = map(
      { grpc_service: grpcService(cluster.value, cluster), transport_api_version: 'V3' },
      entry,
    );
  }
}

function takeTracing(root: Section): void {
  const { context } = root;
  const http = root.section('tracing', 'v1 tracing')?.section('http', 'v1 tracing');
  const driver = http?.section('driver', 'a v1 tracing driver');
  if (driver === undefined) return;
  const type = driver.take('type');
  const config = driver.take('config');
  driver.done();
  const known = extensionOfV1('tracer', textOf(type?.value) ?? '');
  if (known === undefined || config?.value.kind !== 'map') {
    context.error(
      type ?? driver.node,
      `unknown tracing driver '${textOf(type?.value) ?? ''}'`,
      'expected zipkin or lightstep',
    );
    return;
  }
  const typed = map({ '@type': `type.googleapis.com/${known.type}` }, config);
  const own = new Fields(config.value);
  // Zipkin's first collector protocol is gone.
  if (known.name.endsWith('.zipkin')) {
    const endpoint = own.take('collector_endpoint');
    const path = textOf(endpoint?.value) ?? '/api/v1/spans';
    own.put('collector_endpoint', path.replace('/v1/', '/v2/'), endpoint ?? config);
    own.put('collector_endpoint_version', 'HTTP_JSON', endpoint ?? config);
  }
  context.tracingProvider = map(
    { name: known.name, typed_config: { ...typed, entries: [...typed.entries, ...own.entries()] } },
    config,
  );
}

/** Statistics, runtime, watchdogs and what else stands beside listeners and clusters. */
function convertRest(root: Section): void {
  root.ms('stats_flush_interval_ms');
  root.fields('flags_path');
  const sinks: SourceNode[] = [];
  const statsd = (entry: MapEntry | undefined, make: (value: SourceNode) => MapNode | undefined) => {
    const config = entry && make(entry.value);
    if (config === undefined) return;
    const type = map({ '@type': 'type.googleapis.com/envoy.config.metrics.v3.StatsdSink' }, entry!);
    sinks.push(
      map(
        { name: 'envoy.stat_sinks.statsd', typed_config: { ...type, entries: [...type.entries, ...config.entries] } },
        entry!,
      ),
    );
  };
  const udp = root.take('statsd_udp_ip_address');
  const tcp = root.take('statsd_tcp_cluster_name');
  statsd(udp, (value) => {
    const address = addressOf({ ...value, value: `udp://${textOf(value)}` } as SourceNode, root.context);
    return address && map({ address }, value);
  });
  statsd(tcp, (value) => map({ tcp_cluster_name: value }, value));
  if (sinks.length > 0) root.out.put('stats_sinks', list(sinks, udp ?? tcp!), udp ?? tcp!);
  const runtime = root.take('runtime');
  if (runtime?.value.kind === 'map')
    root.put('layered_runtime', layeredRuntime(new Fields(runtime.value), runtime), runtime);
  convertWatchdog(root);
}

function convertWatchdog(root: Section): void {
  const watchdog = new Fields(map({}, root.node));
  let first: MapEntry | undefined;
  for (const [name, to] of [
    ['watchdog_miss_timeout_ms', 'miss_timeout'],
    ['watchdog_megamiss_timeout_ms', 'megamiss_timeout'],
    ['watchdog_kill_timeout_ms', 'kill_timeout'],
    ['watchdog_multikill_timeout_ms', 'multikill_timeout'],
  ] as const) {
    const entry = root.take(name);
    if (entry === undefined) continue;
    first ??= entry;
    watchdog.put(to, `${Number(textOf(entry.value)) / 1000}s`, entry);
  }
  if (first === undefined) return;
  const one = watchdog.done();
  root.out.put('watchdogs', map({ main_thread_watchdog: one, worker_watchdog: one }, first), first);
}

/** Where configuration is to come from: files and folders that must be there, ways that are still offered (control path, step 2). */
import { existsSync } from 'node:fs';
import { ApiConfigSource_ApiType, Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';
import { walkMessages } from './walk.ts';

type ConfigSource = envoy.config.core.v3.ConfigSource;

export function checkConfigSource(message: ConfigSource, report: Report): void {
  const { configSourceSpecifier: source } = message;
  if (source.case === 'apiConfigSource') checkApiType(source.value, report);
  else if (source.case === 'path') checkFile(message, 'path', source.value, report);
  else if (source.case === 'pathConfigSource') {
    checkFile(message, 'path_config_source.path', source.value.path, report);
    const folder = source.value.watchedDirectory?.path;
    if (folder === undefined || folder === '' || existsSync(folder)) return;
    const reason = `unable to add filesystem watch for file ${folder}: No such file or directory`;
    report.errorIn(message, 'path_config_source.watched_directory.path', reason);
  }
}

/**
 * As in Envoy the cluster of a control plane is one of the file, whose hosts are not discovered: it is there before anything else.
 * `clusters` are those of the file.
 */
export function checkSourceClusters(
  root: AnyMessage,
  clusters: readonly envoy.config.cluster.v3.Cluster[],
  report: Report,
  origins: Origins,
): void {
  const eds = (cluster: envoy.config.cluster.v3.Cluster) =>
    cluster.clusterDiscoveryType.case === 'type' && cluster.clusterDiscoveryType.value === Cluster_DiscoveryType.EDS;
  const primary = clusters.filter((cluster) => !eds(cluster)).map(({ name }) => name);
  walkMessages(root, origins, (message) => {
    if (message.$typeName !== 'envoy.config.core.v3.ApiConfigSource') return;
    const { clusterNames, grpcServices } = message as unknown as envoy.config.core.v3.ApiConfigSource;
    const check = (name: string, at: string) => {
      if (name === '' || primary.includes(name)) return;
      const reason = `envoy.config.core.v3.ApiConfigSource must have a statically defined non-EDS cluster: '${name}' does not exist, was added via api, or is an EDS cluster`;
      report.errorIn(message, at, reason, didYouMean(name, primary));
    };
    clusterNames.forEach((name, i) => {
      check(name, `cluster_names[${i}]`);
    });
    if (grpcServices.length > 1) {
      const reason =
        'envoy.config.core.v3.ApiConfigSource::(AGGREGATED_)(DELTA_)GRPC must have no more than 1 gRPC services specified';
      report.errorIn(message, 'grpc_services[1]', reason);
    }
    grpcServices.forEach(({ targetSpecifier }, i) => {
      if (targetSpecifier.case !== 'envoyGrpc') return;
      check(targetSpecifier.value.clusterName, `grpc_services[${i}].envoy_grpc.cluster_name`);
    });
  });
}

function checkFile(message: ConfigSource, at: string, path: string, report: Report): void {
  if (path === '' || existsSync(path)) return;
  report.errorIn(message, at, `paths must refer to an existing path in the system: '${path}' does not exist`);
}

/** The type that is no longer any is kept for v1's REST services, which one cluster serves. */
function checkApiType(source: envoy.config.core.v3.ApiConfigSource, report: Report): void {
  const legacy = ApiConfigSource_ApiType.DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE;
  if (source.apiType !== legacy || source.clusterNames.length === 1) return;
  report.errorIn(source, 'api_type', "'api_type' is required: GRPC, DELTA_GRPC or REST");
}

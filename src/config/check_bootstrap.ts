/** All checks of a converted bootstrap in their order (control path, step 2): rules, what is honoured, what things refer to. */
import { ApiConfigSource_ApiType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { checkLogFile } from '../common/access_log/log_file.ts';
import { applicationLogFormat } from '../common/application_log_format.ts';
import { checkClusters } from './check_clusters.ts';
import { checkSourceClusters } from './check_config_source.ts';
import { checkListeners } from './check_listeners.ts';
import { checkMessages } from './check_messages.ts';
import { checkRuntime } from './check_runtime.ts';
import { checkSecrets } from './check_secrets.ts';
import type { ExtensionLookup } from './extension_points.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { validateRules } from './validate_rules.ts';

export function checkBootstrap(
  bootstrap: envoy.config.bootstrap.v3.Bootstrap,
  extensions: ExtensionLookup,
  report: Report,
  origins: Origins,
): void {
  const clusters = bootstrap.staticResources?.clusters ?? [];
  const names = new Set(clusters.map((cluster) => cluster.name));
  const root = bootstrap as unknown as AnyMessage;
  // With CDS a cluster that is not there yet may still come.
  const known = bootstrap.dynamicResources?.cdsConfig === undefined ? names : undefined;
  validateRules(root, report, origins);
  checkMessages(root, { extensions, report, origins, clusters: known });
  if (bootstrap.layeredRuntime !== undefined) checkRuntime(bootstrap.layeredRuntime, report);
  checkSecrets(root, bootstrap.staticResources?.secrets ?? [], report, origins);
  checkDefaultSource(bootstrap, report);
  checkSourceClusters(root, clusters, report, origins);
  checkLogs(bootstrap, report);
  checkListeners(bootstrap.staticResources?.listeners ?? [], report);
  checkClusters(clusters, report, origins);
}

function checkLogs(bootstrap: envoy.config.bootstrap.v3.Bootstrap, report: Report): void {
  const format = applicationLogFormat(bootstrap);
  if (format !== undefined && 'error' in format) {
    const hint = 'use %j, the text as JSON has it';
    report.errorIn(bootstrap, `application_log_config.${format.path}`, format.error, hint);
  }
  const path = bootstrap.admin?.accessLogPath ?? '';
  const unwritable = path === '' ? undefined : checkLogFile(path);
  if (unwritable !== undefined) report.errorIn(bootstrap, 'admin.access_log_path', unwritable);
}

/** Honoured as what v1 files say of discovered clusters: where their hosts are registered. */
function checkDefaultSource(bootstrap: envoy.config.bootstrap.v3.Bootstrap, report: Report): void {
  const source = bootstrap.defaultConfigSource?.configSourceSpecifier;
  const legacy = ApiConfigSource_ApiType.DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE;
  if (source === undefined || (source.case === 'apiConfigSource' && source.value.apiType === legacy)) return;
  report.errorAtField(
    bootstrap,
    'default_config_source',
    "'default_config_source' is not supported yet, but for v1's registration service",
  );
}

/** What descriptors and rules cannot say of an HTTP connection manager (control path, step 2), in Envoy's words. */
import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf } from '../api/registry.ts';
import { extensionName } from './extension_points.ts';
import type { Report } from './report.ts';

type XffConfig = envoy.extensions.http.original_ip_detection.xff.v3.XffConfig;
type Manager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

/** Small extensions that are part of the manager's own code. */
const originalIpDetection = [
  'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig',
  'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig',
];
const earlyHeaderMutation = ['envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation'];
const requestId = ['envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig'];

export function checkHttpManager(manager: Manager, report: Report): void {
  const ipExtensions = manager.originalIpDetectionExtensions;
  if (ipExtensions.length > 0 && manager.useRemoteAddress === true) {
    const reason = 'Original IP detection extensions and use_remote_address may not be mixed';
    report.errorIn(manager, 'original_ip_detection_extensions', reason);
  }
  if (ipExtensions.length > 0 && manager.xffNumTrustedHops > 0) {
    const reason = 'Original IP detection extensions and xff_num_trusted_hops may not be mixed';
    report.errorIn(manager, 'original_ip_detection_extensions', reason);
  }
  if (manager.stripMatchingHostPort && manager.stripPortMode.case === 'stripAnyHostPort') {
    const reason = 'Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.';
    report.errorIn(manager, 'strip_matching_host_port', reason);
  }
  if ((manager.http2ProtocolOptions?.maxHeaderFieldSizeKb ?? 0) > (manager.maxRequestHeadersKb ?? 60)) {
    const reason = 'max_header_field_size_kb must not exceed max_request_headers_kb';
    report.errorIn(manager, 'http2_protocol_options.max_header_field_size_kb', reason);
  }
  if (manager.accessLogOptions !== undefined) checkOldLogOptions(manager, report);
  checkTypes(manager, 'original_ip_detection_extensions', ipExtensions, originalIpDetection, report);
  checkTypes(
    manager,
    'early_header_mutation_extensions',
    manager.earlyHeaderMutationExtensions,
    earlyHeaderMutation,
    report,
  );
  const id = manager.requestIdExtension;
  if (id !== undefined) checkType(manager, 'request_id_extension', id, requestId, report);
}

/** The manager's own fields are the older form of access_log_options. */
function checkOldLogOptions(manager: Manager, report: Report): void {
  const old = [];
  if (manager.flushAccessLogOnNewRequest) old.push('flush_access_log_on_new_request');
  if (manager.accessLogFlushInterval !== undefined) old.push('access_log_flush_interval');
  for (const field of old)
    report.errorIn(manager, field, `Only one of ${field} or access_log_options can be specified.`);
}

/** Two ways to tell trusted proxies. */
export function checkXffConfig(config: XffConfig, report: Report): void {
  if (config.xffNumTrustedHops === 0 || config.xffTrustedCidrs === undefined) return;
  report.errorIn(config, 'xff_num_trusted_hops', 'Cannot set both xff_num_trusted_hops and xff_trusted_cidrs');
}

interface Extension {
  readonly typedConfig?: { readonly typeUrl: string };
}

function checkTypes(
  manager: Manager,
  field: string,
  list: readonly Extension[],
  types: readonly string[],
  report: Report,
): void {
  list.forEach((extension, i) => {
    checkType(manager, `${field}[${i}]`, extension, types, report);
  });
}

function checkType(manager: Manager, path: string, extension: Extension, types: readonly string[], report: Report) {
  const type = typeNameOf(extension.typedConfig?.typeUrl ?? '');
  if (types.includes(type)) return;
  const reason =
    type === '' ? "'typed_config' is missing" : `${extensionName(type)} is not an extension for this place`;
  report.errorIn(manager, path, reason, `supported: ${types.map(extensionName).join(', ')}`);
}

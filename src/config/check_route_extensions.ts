/** What a route configuration says of mirrors, redirects, retries and filters that rules cannot check (control path, step 2). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf, unpackAny } from '../api/registry.ts';
import { isProtectedHeader } from '../common/formatter/header_value.ts';
import { rowOf } from './check_supported.ts';
import { type ExtensionLookup, extensionName } from './extension_points.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type MirrorPolicy = envoy.config.route.v3.RouteAction_RequestMirrorPolicy;
type RetryPolicy = envoy.config.route.v3.RetryPolicy;
type FilterConfig = { readonly disabled: boolean; readonly config?: Any };

const hostPredicates = [
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate',
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig',
];
/** Those that need no configuration are known by name too, as they were before Envoy 1.22. */
const namedPredicates = ['envoy.retry_host_predicates.previous_hosts', 'envoy.retry_host_predicates.omit_canary_hosts'];
const retryPriorities = ['envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'];
const redirectPredicates = [
  'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig',
  'envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig',
  'envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig',
];

/** Every mirror policy of a route configuration; where they stand, and the message they stand in. */
function* mirrorPolicies(config: RouteConfiguration): Iterable<MirrorPolicy> {
  yield* config.requestMirrorPolicies;
  for (const host of config.virtualHosts) {
    yield* host.requestMirrorPolicies;
    for (const { action } of host.routes) if (action.case === 'route') yield* action.value.requestMirrorPolicies;
  }
}

/** `clusters`: those there are; undefined when they need not be there yet. */
export function checkMirrors(
  config: RouteConfiguration,
  clusters: ReadonlySet<string> | undefined,
  report: Report,
): void {
  for (const policy of mirrorPolicies(config)) {
    const { cluster, clusterHeader } = policy;
    if (cluster === '' && clusterHeader === '') {
      const reason = 'Exactly one of cluster or cluster_header in request mirror policy need to be specified';
      report.errorIn(policy, '', reason);
    } else if (cluster !== '' && clusterHeader !== '') {
      const which = `cluster '${cluster}' or cluster_header '${clusterHeader}'`;
      report.errorIn(policy, '', `Only one of ${which} in request mirror policy can be specified`);
    } else if (cluster !== '' && clusters !== undefined && !clusters.has(cluster)) {
      report.errorIn(policy, 'cluster', `route: unknown shadow cluster '${cluster}'`, didYouMean(cluster, clusters));
    }
  }
}

/** A message of any type, as the walk over a configuration meets it. */
export function checkRouteExtensions(message: AnyMessage, extensions: ExtensionLookup, report: Report): void {
  switch (message.$typeName) {
    case 'envoy.config.route.v3.RetryPolicy':
      checkRetryPolicy(message as unknown as RetryPolicy, report);
      break;
    case 'envoy.config.route.v3.InternalRedirectPolicy':
      checkRedirects(message as unknown as envoy.config.route.v3.InternalRedirectPolicy, report);
      break;
    case 'envoy.config.route.v3.RouteConfiguration':
    case 'envoy.config.route.v3.VirtualHost':
    case 'envoy.config.route.v3.Route':
    case 'envoy.config.route.v3.WeightedCluster.ClusterWeight':
      checkFilterConfigs(message, extensions, report);
  }
}

function checkRetryPolicy(policy: RetryPolicy, report: Report): void {
  policy.retryHostPredicate.forEach(({ name, configType }, i) => {
    const any = configType.case === 'typedConfig' ? configType.value : undefined;
    if (any === undefined && namedPredicates.includes(name)) return;
    checkType(policy, `retry_host_predicate[${i}]`, name, any, hostPredicates, report);
  });
  const { retryPriority } = policy;
  if (retryPriority === undefined) return;
  const any = retryPriority.configType.case === 'typedConfig' ? retryPriority.configType.value : undefined;
  checkType(policy, 'retry_priority', retryPriority.name, any, retryPriorities, report);
}

function checkRedirects(policy: envoy.config.route.v3.InternalRedirectPolicy, report: Report): void {
  policy.predicates.forEach(({ name, typedConfig }, i) => {
    if (typedConfig !== undefined) checkType(policy, `predicates[${i}]`, name, typedConfig, redirectPredicates, report);
  });
  policy.responseHeadersToCopy.forEach((name, i) => {
    if (!isProtectedHeader(name)) return;
    const reason = ':-prefixed headers or Hosts may not be specified here.';
    report.errorIn(policy, `response_headers_to_copy[${i}]`, reason);
  });
}

/** An extension of another kind than the place takes; one that is not honoured at all is reported elsewhere. */
function checkType(
  owner: object,
  path: string,
  name: string,
  any: Any | undefined,
  allowed: readonly string[],
  report: Report,
): void {
  const type = typeNameOf(any?.typeUrl ?? '');
  if (allowed.includes(type) || (type !== '' && rowOf(type) === undefined)) return;
  report.errorIn(owner, path, `Didn't find a registered implementation for '${name}' with type URL: '${type}'`);
}

function checkFilterConfigs(owner: AnyMessage, extensions: ExtensionLookup, report: Report): void {
  const entries = (owner as unknown as { readonly typedPerFilterConfig: Readonly<Record<string, Any>> })
    .typedPerFilterConfig;
  for (const [name, entry] of Object.entries(entries)) {
    let type = typeNameOf(entry.typeUrl);
    if (type === 'envoy.config.route.v3.FilterConfig') {
      const { disabled, config } = unpackAny(entry) as unknown as FilterConfig;
      if (disabled) continue;
      if (config === undefined) {
        const reason = `Empty route/virtual host per filter configuration for ${name} filter`;
        report.errorIn(owner, 'typed_per_filter_config', reason);
        continue;
      }
      type = typeNameOf(config.typeUrl);
    }
    if (type === '' || rowOf(type) === undefined || extensions.takesRouteConfig(type)) continue;
    const reason = `The filter ${name} doesn't support virtual host or route specific configurations`;
    report.errorIn(owner, 'typed_per_filter_config', reason, `${extensionName(type)} configures no route`);
  }
}

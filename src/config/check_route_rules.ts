/** What Envoy asks of a single route, virtual cluster or weighted cluster beyond its descriptors (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf, unpackAny } from '../api/registry.ts';
import { parseFormat } from '../common/formatter/parse_format.ts';
import { parseUriRewrite, parseUriTemplate, type UriTemplate } from '../common/matchers/uri_template.ts';
import type { Report } from './report.ts';

type Route = envoy.config.route.v3.Route;
type RouteAction = envoy.config.route.v3.RouteAction;
type WeightedCluster = envoy.config.route.v3.WeightedCluster;
type Extension = envoy.config.core.v3.TypedExtensionConfig;

const matchType = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';
const rewriteType = 'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig';
const mostWeight = 4_294_967_295;

/** A message of any type, as the walk over a configuration meets it. */
export function checkRouteRules(message: AnyMessage, report: Report): void {
  switch (message.$typeName) {
    case 'envoy.config.route.v3.Route':
      checkTemplates(message as unknown as Route, report);
      checkFormats(message as unknown as Route, report);
      break;
    case 'envoy.config.route.v3.RouteAction':
      checkUpgrades(message as unknown as RouteAction, report);
      break;
    case 'envoy.config.route.v3.WeightedCluster':
      checkWeights(message as unknown as WeightedCluster, report);
      break;
    case 'envoy.config.route.v3.VirtualCluster':
      if ((message as unknown as envoy.config.route.v3.VirtualCluster).headers.length === 0)
        report.errorIn(message, 'headers', "virtual clusters must define 'headers'");
  }
}

function checkTemplates(route: Route, report: Report): void {
  const { pathSpecifier } = route.match ?? {};
  const action = route.action.case === 'route' ? route.action.value : undefined;
  const matcher = pathSpecifier?.case === 'pathMatchPolicy' ? pathSpecifier.value : undefined;
  const at = 'match.path_match_policy';
  const text = templateOf(matcher, matchType, 'pathTemplate');
  const template = text === undefined ? undefined : parseUriTemplate(text);
  if (typeof template === 'string') {
    report.errorIn(route, at, `path_match_policy.path_template ${text} is invalid: ${template}`);
  }
  if (matcher !== undefined && action !== undefined) {
    if (action.prefixRewrite !== '') {
      report.errorIn(route, 'route.prefix_rewrite', 'Cannot use prefix_rewrite with matcher extension');
    }
  }
  const rewrite = templateOf(action?.pathRewritePolicy, rewriteType, 'pathTemplateRewrite');
  if (rewrite !== undefined && typeof template !== 'string') checkRewrite(route, text ?? '', template, rewrite, report);
}

function checkRewrite(
  route: Route,
  text: string,
  template: UriTemplate | undefined,
  rewrite: string,
  report: Report,
): void {
  const at = 'route.path_rewrite_policy';
  if (template === undefined) {
    const needs = 'envoy.path.match.uri_template.uri_template_matcher';
    const reason = `unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without ${needs} extension`;
    report.errorIn(route, at, reason);
    return;
  }
  const parsed = parseUriRewrite(rewrite, template.variables);
  if (typeof parsed !== 'string') return;
  const reason = parsed.startsWith('mismatch ')
    ? `mismatch between variables in path_match_policy ${text} and path_rewrite_policy ${rewrite}`
    : `path_rewrite_policy.path_template_rewrite ${rewrite} is invalid: ${parsed}`;
  report.errorIn(route, at, reason);
}

function templateOf(extension: Extension | undefined, type: string, field: string): string | undefined {
  const any = extension?.typedConfig;
  if (any === undefined || typeNameOf(any.typeUrl) !== type) return undefined;
  return (unpackAny(any) as unknown as Record<string, string>)[field];
}

function checkFormats({ action }: Route, report: Report): void {
  if (action.case === 'route') {
    const { pathRewrite, hostRewriteSpecifier: host } = action.value;
    checkFormat(action.value, 'path_rewrite', 'path rewrite', pathRewrite, report);
    if (host.case === 'hostRewrite') checkFormat(action.value, 'host_rewrite', 'host rewrite', host.value, report);
  } else if (action.case === 'redirect') {
    const { pathRewriteSpecifier: path } = action.value;
    if (path.case === 'pathRewrite') checkFormat(action.value, 'path_rewrite', 'path_rewrite', path.value, report);
  }
}

function checkFormat(owner: object, field: string, what: string, format: string, report: Report): void {
  const parsed = parseFormat(format);
  if (!('error' in parsed)) return;
  report.errorIn(owner, field, `Failed to create ${what} formatter: INVALID_ARGUMENT: ${parsed.error}`);
}

function checkUpgrades(action: RouteAction, report: Report): void {
  const seen = new Set<string>();
  action.upgradeConfigs.forEach(({ upgradeType, connectConfig }, i) => {
    const name = upgradeType.toLowerCase();
    if (seen.has(name)) report.errorIn(action, `upgrade_configs[${i}]`, `Duplicate upgrade ${upgradeType}`);
    seen.add(name);
    if (connectConfig === undefined || name === 'connect' || name === 'connect-udp') return;
    const reason = `Non-CONNECT upgrade type ${upgradeType} has ConnectConfig`;
    report.errorIn(action, `upgrade_configs[${i}].connect_config`, reason);
  });
}

function checkWeights(weighted: WeightedCluster, report: Report): void {
  let sum = 0;
  weighted.clusters.forEach(({ name, clusterHeader, weight }, i) => {
    const at = `clusters[${i}]`;
    if (name !== '' && clusterHeader !== '') {
      report.errorIn(weighted, at, 'Only one of name or cluster_header can be specified');
    } else if (name === '' && clusterHeader === '') {
      report.errorIn(weighted, at, 'At least one of name or cluster_header need to be specified');
    }
    if (weight === undefined) report.errorIn(weighted, at, "'weight' is required");
    sum += weight ?? 0;
  });
  if (sum > mostWeight)
    report.errorIn(weighted, 'clusters', `The sum of weights of all weighted clusters exceeds ${mostWeight}`);
}

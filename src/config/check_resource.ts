/** All checks of one resource that came by discovery (control path, step 2): the same as for a file, each with its field. */
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import type { Slices } from '../common/slices.ts';
import { factories } from '../extensions/registry.ts';
import { checkAssignment, checkClusters } from './check_clusters.ts';
import { checkListeners } from './check_listeners.ts';
import { checkMessages } from './check_messages.ts';
import { checkDomains } from './check_routes.ts';
import type { Diagnostic } from './diagnostic.ts';
import { ExtensionLookup } from './extension_points.ts';
import { namePaths } from './name_paths.ts';
import { Origins } from './origins.ts';
import { Report } from './report.ts';
import { isLarge, piecesOf } from './resource_pieces.ts';
import { rootCauses } from './root_causes.ts';
import { checkUnknownFields } from './unknown_fields.ts';
import { validateRules } from './validate_rules.ts';

export interface ResourceDiagnostics {
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  /** It breaks a rule of its descriptor: Envoy then refuses the whole response it stands in. */
  readonly breaksRules: boolean;
}

const extensions = new ExtensionLookup(factories);

/** `clusters` are those there are now; `origins` tells positions where the resource was read from a text. */
export function checkResource(
  message: AnyMessage,
  clusters: ReadonlySet<string>,
  origins?: Origins,
): ResourceDiagnostics {
  const found = check(message, clusters, origins ?? new Origins());
  if (found.errors.length === 0 || origins !== undefined) return found;
  const named = new Origins();
  namePaths(message, named);
  return check(message, clusters, named);
}

/**
 * The same bit by bit: the parts of a large resource one after the other, then what holds between them. Parts that were found
 * good before are not looked at again.
 */
export async function checkResourceInSlices(
  message: AnyMessage,
  clusters: ReadonlySet<string>,
  slices: Slices,
): Promise<ResourceDiagnostics> {
  if (!isLarge(message)) return checkResource(message, clusters);
  const warnings: Diagnostic[] = [];
  for (const { piece, part } of piecesOf(message)) {
    if (part !== undefined && foundGood.has(part)) continue;
    const found = new Report(new Origins());
    checkWithin(piece, clusters, found, new Origins());
    // The whole tells where.
    if (found.errors.length > 0) return checkResource(message, clusters);
    warnings.push(...found.warnings);
    if (part !== undefined) foundGood.add(part);
    if (slices.over) await slices.next();
  }
  const origins = new Origins();
  const across = new Report(origins);
  checkAcross(message, across, origins);
  if (message.$typeName === 'envoy.config.route.v3.RouteConfiguration') {
    checkDomains(message as unknown as envoy.config.route.v3.RouteConfiguration, across);
  }
  if (across.errors.length > 0) return checkResource(message, clusters);
  return { errors: [], warnings: [...warnings, ...across.warnings], breaksRules: false };
}

/** Virtual hosts and filter chains whose checks depend on nothing beside them. */
const foundGood = new WeakSet<object>();

function check(message: AnyMessage, clusters: ReadonlySet<string>, origins: Origins): ResourceDiagnostics {
  const report = new Report(origins);
  const breaksRules = checkWithin(message, clusters, report, origins);
  checkAcross(message, report, origins);
  return { errors: rootCauses(report.errors), warnings: report.warnings, breaksRules };
}

/** What each message says by itself; true when it breaks a rule of its descriptor. */
function checkWithin(message: AnyMessage, clusters: ReadonlySet<string>, report: Report, origins: Origins): boolean {
  checkUnknownFields(message, origins, report);
  validateRules(message, report, origins);
  const breaksRules = report.errors.length > 0;
  checkMessages(message, {
    extensions,
    report,
    origins,
    clusters: message.$typeName === 'envoy.config.route.v3.RouteConfiguration' ? clusters : undefined,
  });
  if (message.$typeName === 'envoy.config.endpoint.v3.ClusterLoadAssignment') {
    checkAssignment(message as unknown as envoy.config.endpoint.v3.ClusterLoadAssignment, report);
  }
  return breaksRules;
}

function checkAcross(message: AnyMessage, report: Report, origins: Origins): void {
  if (message.$typeName === 'envoy.config.listener.v3.Listener') {
    checkListeners([message as unknown as envoy.config.listener.v3.Listener], report);
  } else if (message.$typeName === 'envoy.config.cluster.v3.Cluster') {
    checkClusters([message as unknown as envoy.config.cluster.v3.Cluster], report, origins);
  }
}

/** The reasons as a NACK gives them: every one, each with the field it is about. */
export function reasonsOf({ errors }: ResourceDiagnostics): string {
  return errors.map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`)).join('; ');
}

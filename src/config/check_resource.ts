/** All checks of one resource that came by discovery (control path, step 2): the same as for a file, each with its field. */
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { factories } from '../extensions/registry.ts';
import { checkClusters } from './check_clusters.ts';
import { checkListeners } from './check_listeners.ts';
import { checkMessages } from './check_messages.ts';
import type { Diagnostic } from './diagnostic.ts';
import { ExtensionLookup } from './extension_points.ts';
import { namePaths } from './name_paths.ts';
import { Origins } from './origins.ts';
import { Report } from './report.ts';
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

function check(message: AnyMessage, clusters: ReadonlySet<string>, origins: Origins): ResourceDiagnostics {
  const rules = new Report(origins);
  const report = new Report(origins);
  checkUnknownFields(message, origins, rules);
  if (rules.errors.length > 0) checkUnknownFields(message, origins, report);
  validateRules(message, rules, origins);
  checkMessages(message, {
    extensions,
    report,
    origins,
    clusters: message.$typeName === 'envoy.config.route.v3.RouteConfiguration' ? clusters : undefined,
  });
  if (message.$typeName === 'envoy.config.listener.v3.Listener') {
    checkListeners([message as unknown as envoy.config.listener.v3.Listener], report);
  } else if (message.$typeName === 'envoy.config.cluster.v3.Cluster') {
    checkClusters([message as unknown as envoy.config.cluster.v3.Cluster], report, origins);
  }
  return { errors: report.errors, warnings: report.warnings, breaksRules: rules.errors.length > 0 };
}

/** The reasons as a NACK gives them: every one, each with the field it is about. */
export function reasonsOf({ errors }: ResourceDiagnostics): string {
  return errors.map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`)).join('; ');
}

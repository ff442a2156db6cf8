/** Control path, step 3: which resources of a response can be used, and why the others cannot. */
import { checkResource, reasonsOf } from '../../config/check_resource.ts';
import type { DecodedResource, Rejection } from '../subscription.ts';

export interface Validated {
  readonly good: readonly DecodedResource[];
  readonly rejections: Rejection[];
}

/**
 * Every resource is looked at, every reason kept. As in Envoy one that breaks a rule of its descriptor, and a name that occurs
 * twice, refuse the whole response; what cannot be used for another reason is left out alone.
 */
export function validateResources(
  resources: readonly DecodedResource[],
  clusters: ReadonlySet<string>,
  kind: string,
): Validated {
  const rejections: Rejection[] = [];
  const good: DecodedResource[] = [];
  const seen = new Set<string>();
  let none = false;
  for (const resource of resources) {
    if (seen.has(resource.name)) {
      rejections.push({ resource: resource.name, reason: `duplicate ${kind} ${resource.name} found` });
      none = true;
    }
    seen.add(resource.name);
    const diagnostics = checkResource(resource.message, clusters);
    if (diagnostics.errors.length === 0) good.push(resource);
    else {
      rejections.push({ resource: resource.name, reason: reasonsOf(diagnostics) });
      none ||= diagnostics.breaksRules;
    }
  }
  return { good: none ? [] : good, rejections };
}

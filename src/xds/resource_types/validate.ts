/** Control path, step 3: which resources of a response can be used, and why the others cannot. */
import { Slices } from '../../common/slices.ts';
import {
  checkResource,
  checkResourceInSlices,
  type ResourceDiagnostics,
  reasonsOf,
} from '../../config/check_resource.ts';
import { sliceTime } from '../decode.ts';
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
  const validation = new Validation(kind);
  for (const resource of resources) validation.add(resource, checkResource(resource.message, clusters));
  return validation.outcome();
}

/** The same in slices. What `isKnown` says is in use already is not looked at again. */
export async function validateInSlices(
  resources: readonly DecodedResource[],
  clusters: ReadonlySet<string>,
  kind: string,
  isKnown: (resource: DecodedResource) => boolean,
): Promise<Validated> {
  const validation = new Validation(kind);
  const slices = new Slices(sliceTime);
  for (const resource of resources) {
    const found = isKnown(resource) ? undefined : await checkResourceInSlices(resource.message, clusters, slices);
    validation.add(resource, found);
    if (slices.over) await slices.next();
  }
  return validation.outcome();
}

class Validation {
  private readonly kind: string;
  private readonly rejections: Rejection[] = [];
  private readonly good: DecodedResource[] = [];
  private readonly seen = new Set<string>();
  private none = false;

  constructor(kind: string) {
    this.kind = kind;
  }

  /** Without diagnostics: it is known to be good. */
  add(resource: DecodedResource, diagnostics: ResourceDiagnostics | undefined): void {
    const { name } = resource;
    if (this.seen.has(name)) {
      this.rejections.push({ resource: name, reason: `duplicate ${this.kind} ${name} found` });
      this.none = true;
    }
    this.seen.add(name);
    if (diagnostics === undefined || diagnostics.errors.length === 0) {
      this.good.push(resource);
      return;
    }
    this.rejections.push({ resource: name, reason: reasonsOf(diagnostics) });
    this.none ||= diagnostics.breaksRules;
  }

  outcome(): Validated {
    return { good: this.none ? [] : this.good, rejections: this.rejections };
  }
}

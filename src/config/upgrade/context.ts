/** What the rules of an upgrade share while they go through one file (control path, step 1). */
import type { Report } from '../report.ts';
import type { MapEntry, MapNode } from '../source_tree.ts';
import type { Changes } from './changes.ts';
import { type Place, spanOf } from './edit.ts';

export class UpgradeContext {
  readonly report: Report;
  readonly changes: Changes;
  /** Which API's fields are spoken of. */
  version: 'v1' | 'v2' = 'v2';
  /** The file is of v2: control planes whose version it does not tell speak v2. */
  speaksV2 = false;
  /** `rate_limit_service` of the bootstrap, which older APIs had once for all filters; as v3 has it. */
  rateLimitService: MapNode | undefined;
  /** `tracing.http` of the bootstrap: now a part of each connection manager that traces. */
  tracingProvider: MapNode | undefined;
  /** `cluster_manager.sds` of v1, as a v3 ConfigSource. */
  endpointSource: MapNode | undefined;
  /** The message at hand is part of a listener: TLS there is the downstream's. */
  inListener = false;
  /** `operation_name` of the connection managers of the listener at hand. */
  trafficDirection: { readonly value: string; readonly from: MapEntry } | undefined;

  constructor(report: Report, changes: Changes) {
    this.report = report;
    this.changes = changes;
  }

  error(at: Place, reason: string, hint?: string): void {
    this.report.error(spanOf(at), '', reason, hint);
  }
}

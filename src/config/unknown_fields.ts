/** Fields of discovered resources that Envoy's API of today does not have (control path, step 2): told, or refused. */
import type { AnyMessage } from '../api/registry.ts';
import { logger } from '../common/log.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { walkMessages } from './walk.ts';

const log = logger('config');

export interface UnknownFieldPolicy {
  /** `--reject-unknown-dynamic-fields`, `--ignore-unknown-dynamic-fields`; otherwise each kind is logged and counted once. */
  readonly mode: 'reject' | 'warn' | 'ignore';
  /** `server.dynamic_unknown_fields`. */
  readonly count: () => void;
}

let policy: UnknownFieldPolicy = { mode: 'warn', count: () => {} };
const seen = new Set<string>();

/** For the whole process, from its flags. */
export function setUnknownFieldPolicy(next: UnknownFieldPolicy): void {
  policy = next;
  seen.clear();
}

/** A control plane may be newer than we are: what it says beyond our words would be lost without a word. */
export function checkUnknownFields(root: AnyMessage, origins: Origins, report: Report): void {
  const { mode, count } = policy;
  if (mode === 'ignore') return;
  walkMessages(root, origins, (message) => {
    const { $unknown: unknown = [] } = message;
    if (unknown.length === 0) return;
    const numbers = [...new Set(unknown.map(({ no }) => no))].join(', ');
    const description = `type ${message.$typeName} with unknown field set {${numbers}}`;
    if (mode === 'reject') {
      report.errorIn(message, '', `Protobuf message (${description}) has unknown fields`);
      return;
    }
    if (seen.has(description)) return;
    seen.add(description);
    count();
    log.warn(`Unexpected field: ${description}`);
  });
}

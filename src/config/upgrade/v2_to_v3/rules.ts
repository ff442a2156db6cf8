/** What v2 said otherwise than v3, by the v3 message it stands in (control path, step 1). */
import type { UpgradeContext } from '../context.ts';
import type { Fields } from '../edit.ts';
import { bootstrapRules } from './bootstrap.ts';
import { clusterRules } from './clusters.ts';
import { discoveryRules } from './discovery.ts';
import { extensionRules } from './extensions.ts';
import { filterRules } from './filters.ts';
import { httpManagerRules } from './http_manager.ts';
import { listenerRules } from './listeners.ts';
import { matcherRules } from './matchers.ts';
import { routeRules } from './routes.ts';
import { tlsRules } from './tls.ts';

/** Changes the fields of one message; what is below it comes after. */
export type Rule = (fields: Fields, context: UpgradeContext) => void;

export type Rules = Readonly<Record<string, Rule>>;

const tables: readonly Rules[] = [
  bootstrapRules,
  clusterRules,
  discoveryRules,
  extensionRules,
  filterRules,
  httpManagerRules,
  listenerRules,
  matcherRules,
  routeRules,
  tlsRules,
];

const rules = new Map<string, Rule[]>();
for (const table of tables) {
  for (const [type, rule] of Object.entries(table)) rules.set(type, [...(rules.get(type) ?? []), rule]);
}

/** Those for a message by its v3 name. */
export function rulesFor(typeName: string): readonly Rule[] {
  return rules.get(typeName) ?? [];
}

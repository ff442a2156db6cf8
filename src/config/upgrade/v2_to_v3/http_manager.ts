/** v2's HTTP connection manager → v3 (control path, step 1). */
import type { UpgradeContext } from '../context.ts';
import { type Fields, itemsOf, list, map, textOf } from '../edit.ts';
import { become, rename } from './rename.ts';
import type { Rules } from './rules.ts';

const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function upgradeManager(fields: Fields, context: UpgradeContext): void {
  const idle = fields.take('idle_timeout');
  if (idle !== undefined) {
    fields.inner('common_http_protocol_options', idle, (inner) => {
      become(inner, idle, 'idle_timeout', idle.value, context);
    });
  }
  const tracing = fields.get('tracing');
  if (tracing?.value.kind !== 'map') return;
  fields.inner(tracing.key, tracing, (inner) => upgradeTracing(inner, context));
}

function upgradeTracing(fields: Fields, context: UpgradeContext): void {
  const operation = fields.take('operation_name');
  if (operation !== undefined) {
    const egress = textOf(operation.value)?.toUpperCase() === 'EGRESS' || textOf(operation.value) === '1';
    context.trafficDirection ??= { value: egress ? 'OUTBOUND' : 'INBOUND', from: operation };
  }
  const tags = fields.take('request_headers_for_tags');
  if (tags !== undefined) {
    const made = itemsOf(tags.value).map((name) => map({ tag: name, request_header: map({ name }, name) }, name));
    become(fields, tags, 'custom_tags', list(made, tags), context);
  }
  const { tracingProvider: provider } = context;
  if (provider === undefined || fields.get('provider') !== undefined) return;
  const entry = fields.put('provider', provider, provider);
  context.changes.comment(entry, "the bootstrap's 'tracing.http'");
}

export const httpManagerRules: Rules = {
  [manager]: upgradeManager,
  [`${manager}.SetCurrentClientCertDetails`]: (fields, context) => rename(fields, 'san', 'uri', context),
};

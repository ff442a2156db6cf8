/** v2's TLS contexts, written in place, → v3's transport sockets (control path, step 1). */

import type { MapEntry, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { type Fields, itemsOf, map, type Place } from '../edit.ts';
import { become, drop } from './rename.ts';
import type { Rules } from './rules.ts';

const tlsPackage = 'envoy.extensions.transport_sockets.tls.v3';

/** `tls_context` of a cluster or a filter chain → its `transport_socket`. */
export function tlsContext(fields: Fields, side: 'Upstream' | 'Downstream', context: UpgradeContext): void {
  const entry = fields.take('tls_context');
  if (entry === undefined) return;
  become(fields, entry, 'transport_socket', tlsSocket(entry, side), context);
}

/** A TLS transport socket of a context's fields. */
function tlsSocket(entry: MapEntry, side: 'Upstream' | 'Downstream'): SourceNode {
  if (entry.value.kind !== 'map') return entry.value;
  const type = map({ '@type': `type.googleapis.com/${tlsPackage}.${side}TlsContext` }, entry);
  const typed = { ...entry.value, entries: [...type.entries, ...entry.value.entries] };
  return map({ name: 'envoy.transport_sockets.tls', typed_config: typed }, entry);
}

/** Names as v2 compared them: with every kind that a certificate has, exactly. */
export function subjectAltNames(names: readonly SourceNode[], at: Place): SourceNode[] {
  return names.flatMap((name) =>
    ['DNS', 'URI', 'IP_ADDRESS'].map((kind) => map({ san_type: kind, matcher: map({ exact: name }, name) }, at)),
  );
}

export const tlsRules: Rules = {
  [`${tlsPackage}.CommonTlsContext`]: (fields, context) => {
    drop(fields, 'deprecated_v1', 'alternative ALPN protocols went with v1', context);
  },
  [`${tlsPackage}.CertificateValidationContext`]: (fields, context) => {
    const entry = fields.take('verify_subject_alt_name');
    if (entry === undefined) return;
    const added = fields.append('match_typed_subject_alt_names', subjectAltNames(itemsOf(entry.value), entry), entry);
    context.changes.converted(entry, added, `v2 field '${entry.key}'`, "'match_typed_subject_alt_names'");
  },
};

/** v1's `ssl_context` of listeners and clusters → v3's transport socket (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { entryOf, Fields, itemsOf, list, map, type Place, scalar, textOf } from '../edit.ts';
import { subjectAltNames } from '../v2_to_v3/tls.ts';
import { type Section, sectionOf } from './section.ts';

export function tlsSocketOf(
  entry: MapEntry,
  side: 'Upstream' | 'Downstream',
  context: UpgradeContext,
): MapNode | undefined {
  const section = sectionOf(entry.value, 'a v1 ssl_context', context);
  if (section === undefined) return undefined;
  const type = `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${side}TlsContext`;
  section.out.put('@type', type, entry);
  section.out.put('common_tls_context', commonContext(section, entry), entry);
  if (side === 'Upstream') section.fields('sni');
  else {
    section.fields('require_client_certificate');
    section.field('session_ticket_key_paths', 'session_ticket_keys', (paths) =>
      map({ keys: list(itemsOf(paths).map(file), paths) }, paths),
    );
  }
  section.drop('alt_alpn_protocols', 'the alternative list was chosen by a runtime key, which went with v1');
  return map({ name: 'envoy.transport_sockets.tls', typed_config: section.done() }, entry);
}

function commonContext(section: Section, at: Place): MapNode {
  const common = new Fields(map({}, at));
  const params = new Fields(map({}, at));
  split(section, params, 'cipher_suites', ':');
  split(section, params, 'ecdh_curves', ':');
  if (params.entries().length > 0) common.put('tls_params', params.done(), at);
  const chain = section.take('cert_chain_file');
  const key = section.take('private_key_file');
  if (chain !== undefined || key !== undefined) {
    const certificate = map(
      { certificate_chain: chain && file(chain.value), private_key: key && file(key.value) },
      chain ?? key!,
    );
    const made = common.put('tls_certificates', list([certificate], chain ?? key!), chain ?? key!);
    section.context.changes.comment(made, "v1 'cert_chain_file' and 'private_key_file'");
  }
  const validation = validationContext(section, at);
  if (validation.entries.length > 0) common.put('validation_context', validation, at);
  split(section, common, 'alpn_protocols', ',');
  return common.done();
}

function validationContext(section: Section, at: Place): MapNode {
  const validation = new Fields(map({}, at));
  const ca = section.take('ca_cert_file');
  if (ca !== undefined) validation.put('trusted_ca', file(ca.value), ca);
  const crl = section.take('crl_file');
  if (crl !== undefined) validation.put('crl', file(crl.value), crl);
  const hash = section.take('verify_certificate_hash');
  if (hash !== undefined) validation.put('verify_certificate_hash', list([hash.value], hash), hash);
  const names = section.take('verify_subject_alt_name');
  if (names !== undefined) {
    const matchers = subjectAltNames(itemsOf(names.value), names);
    const made = validation.put('match_typed_subject_alt_names', list(matchers, names), names);
    section.context.changes.comment(made, "v1 'verify_subject_alt_name'");
  }
  return validation.done();
}

/** A list that v1 wrote as one text. */
function split(section: Section, out: Fields, name: string, separator: string): void {
  const entry = section.take(name);
  const text = textOf(entry?.value);
  if (entry === undefined || text === undefined) return;
  const items = text.split(separator).map((item) => scalar(item.trim(), entry.value));
  out.put(name, list(items, entry), entry);
}

function file(name: SourceNode): MapNode {
  return { ...map({}, name), entries: [entryOf('filename', name, name)] };
}

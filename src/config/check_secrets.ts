/** Static secrets of a bootstrap: each can be read, and those that TLS contexts ask for by name are there (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { readSecret } from '../common/tls/read_secret.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { walkMessages } from './walk.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig;

const fields: Readonly<Record<string, string>> = {
  tlsCertificate: 'tls_certificate',
  validationContext: 'validation_context',
  sessionTicketKeys: 'session_ticket_keys',
};

export function checkSecrets(root: AnyMessage, secrets: readonly Secret[], report: Report, origins: Origins): void {
  const names = new Set<string>();
  for (const secret of secrets) {
    if (names.has(secret.name)) report.errorIn(secret, 'name', `duplicate static secret '${secret.name}'`);
    names.add(secret.name);
    const field = fields[secret.type.case ?? ''];
    if (field === undefined) continue; // what files and variables hold is checked everywhere, other kinds are not supported
    const at = (path: string) => (path === '' ? field : `${field}.${path}`);
    readSecret(secret.type, {
      error: (path, reason) => report.errorIn(secret, at(path), reason),
      warn: (path, reason) => report.warnIn(secret, at(path), reason),
    });
  }
  walkMessages(root, origins, (message) => {
    if (message.$typeName !== 'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig') return;
    const { name, sdsConfig } = message as unknown as SdsSecretConfig;
    if (sdsConfig === undefined && !names.has(name)) report.errorIn(message, 'name', `Unknown static secret: ${name}`);
  });
}

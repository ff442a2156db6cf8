/** Finds a secret in a file of discovered resources (sds_config.path_config_source), checked as any other configuration. */
import { readFileSync } from 'node:fs';
import type { envoy } from '../../api/envoy_types.ts';
import { type AnyMessage, typeNameOf, unpackAny } from '../../api/registry.ts';
import { secretType } from '../../common/tls/secret_refs.ts';
import { checkResource, reasonsOf } from '../../config/check_resource.ts';
import { readResponseFile } from '../../config/read_response.ts';
import { renderDiagnostics } from '../../config/render.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;

/** `fail` is told why it cannot be used. The file is a DiscoveryResponse with the secret among its resources. */
export function findSecret(path: string, name: string, fail: (reason: string) => void): Secret['type'] | undefined {
  try {
    readFileSync(path);
  } catch (error) {
    fail(`${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
    return undefined;
  }
  const { response, errors } = readResponseFile(path);
  if (response === undefined) {
    fail(renderDiagnostics(errors));
    return undefined;
  }
  const secrets = response.resources
    .filter(({ typeUrl }) => typeNameOf(typeUrl) === secretType)
    .map((any) => unpackAny(any) as unknown as Secret);
  const secret = secrets.find((candidate) => candidate.name === name);
  if (secret === undefined) {
    fail(`${path} has no secret '${name}'`);
    return undefined;
  }
  const diagnostics = checkResource(secret as unknown as AnyMessage, new Set());
  if (diagnostics.errors.length > 0) {
    fail(`${path}: ${reasonsOf(diagnostics)}`);
    return undefined;
  }
  return secret.type;
}

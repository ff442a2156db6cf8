/** What of `google_grpc` cannot be used (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import { googleTarget } from '../common/google_grpc_target.ts';
import type { Report } from './report.ts';

type GoogleGrpc = envoy.config.core.v3.GrpcService_GoogleGrpc;

/** As in Envoy what authorises a call leaves this machine over TLS alone: without, every stream would end with INTERNAL. */
export function checkGoogleGrpc(config: GoogleGrpc, report: Report): void {
  const target = googleTarget(config.targetUri);
  if (typeof target === 'string') {
    if (config.targetUri !== '') report.errorIn(config, 'target_uri', target);
    return;
  }
  const local = target.addresses[0].ip === '';
  const credentials = config.channelCredentials?.credentialSpecifier.case;
  const secret = credentials === 'sslCredentials' || (credentials === 'localCredentials' && local);
  if (config.callCredentials.length > 0 && !secret) {
    report.errorIn(config, 'call_credentials', 'call_credentials need channel_credentials with ssl_credentials');
  }
}

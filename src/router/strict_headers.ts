/** strict_check_headers of the router: requests whose x-envoy-* headers make no sense are refused instead of half understood. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import { X_ENVOY_RETRY_GRPC_ON, X_ENVOY_RETRY_ON } from '../../native-free/headers/well_known.ts';
import { knowsRetryGrpcOn, knowsRetryOn } from './retry_on.ts';

export interface HeaderFault {
  readonly body: string;
  readonly details: string;
}

/** The first header that is not what its name asks for; undefined: all are fine. */
export function strictHeaderFault(names: readonly HeaderName[], head: RequestHead): HeaderFault | undefined {
  for (const name of names) {
    const value = head.headers.get(name);
    if (value === undefined || isValid(name, value)) continue;
    return {
      body: `invalid header '${name.text}' with value '${value}'`,
      details: `request_headers_failed_strict_check{${name.text}}`,
    };
  }
  return undefined;
}

/** All others hold whole numbers. */
function isValid(name: HeaderName, value: string): boolean {
  if (name === X_ENVOY_RETRY_ON) return knowsRetryOn(value);
  if (name === X_ENVOY_RETRY_GRPC_ON) return knowsRetryGrpcOn(value);
  return /^\d{1,19}$/.test(value);
}

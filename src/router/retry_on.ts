/** The conditions of retry_on as bits: what a policy or `x-envoy-retry-on` and `x-envoy-retry-grpc-on` name. */

export const RetryOn = {
  ServerError: 1 << 0,
  GatewayError: 1 << 1,
  ConnectFailure: 1 << 2,
  Retriable4xx: 1 << 3,
  RefusedStream: 1 << 4,
  RetriableStatusCodes: 1 << 5,
  RetriableHeaders: 1 << 6,
  Reset: 1 << 7,
  ResetBeforeRequest: 1 << 8,
  EnvoyRatelimited: 1 << 9,
  GrpcCancelled: 1 << 10,
  GrpcDeadlineExceeded: 1 << 11,
  GrpcResourceExhausted: 1 << 12,
  GrpcUnavailable: 1 << 13,
  GrpcInternal: 1 << 14,
} as const;

const httpConditions: ReadonlyMap<string, number> = new Map([
  ['5xx', RetryOn.ServerError],
  ['gateway-error', RetryOn.GatewayError],
  ['connect-failure', RetryOn.ConnectFailure],
  ['retriable-4xx', RetryOn.Retriable4xx],
  ['refused-stream', RetryOn.RefusedStream],
  ['retriable-status-codes', RetryOn.RetriableStatusCodes],
  ['retriable-headers', RetryOn.RetriableHeaders],
  ['reset', RetryOn.Reset],
  ['reset-before-request', RetryOn.ResetBeforeRequest],
  ['envoy-ratelimited', RetryOn.EnvoyRatelimited],
]);

const grpcConditions: ReadonlyMap<string, number> = new Map([
  ['cancelled', RetryOn.GrpcCancelled],
  ['deadline-exceeded', RetryOn.GrpcDeadlineExceeded],
  ['resource-exhausted', RetryOn.GrpcResourceExhausted],
  ['unavailable', RetryOn.GrpcUnavailable],
  ['internal', RetryOn.GrpcInternal],
]);

/** gRPC status code → the condition that retries it. */
export const grpcStatusConditions: ReadonlyMap<string, number> = new Map([
  ['1', RetryOn.GrpcCancelled],
  ['4', RetryOn.GrpcDeadlineExceeded],
  ['8', RetryOn.GrpcResourceExhausted],
  ['13', RetryOn.GrpcInternal],
  ['14', RetryOn.GrpcUnavailable],
]);

/** Names that are unknown count for nothing, as in Envoy. */
export function parseRetryOn(text: string): number {
  return parse(text, httpConditions);
}

export function parseRetryGrpcOn(text: string): number {
  return parse(text, grpcConditions);
}

/** Whether every name is known. */
export function knowsRetryOn(text: string): boolean {
  return text.split(',').every((name) => httpConditions.has(name.trim()));
}

export function knowsRetryGrpcOn(text: string): boolean {
  return text.split(',').every((name) => grpcConditions.has(name.trim()));
}

function parse(text: string, conditions: ReadonlyMap<string, number>): number {
  let bits = 0;
  for (const name of text.split(',')) bits |= conditions.get(name.trim()) ?? 0;
  return bits;
}

/** The status codes of gRPC, and what they are in HTTP (grpc/doc/statuscodes.md, http-grpc-status-mapping.md). */

export const GrpcStatus = {
  Ok: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];

/** What `parseGrpcStatus` answers for a value that is no status. */
export const invalidGrpcStatus = -1;

/** The number in a `grpc-status` field, whatever it means; `invalidGrpcStatus` when it is none. */
export function parseGrpcStatus(value: string): number {
  return /^\d{1,10}$/.test(value) ? Number(value) : invalidGrpcStatus;
}

/** For an answer without a gRPC status of its own. */
export function httpToGrpcStatus(status: number): GrpcStatus {
  switch (status) {
    case 400:
      return GrpcStatus.Internal;
    case 401:
      return GrpcStatus.Unauthenticated;
    case 403:
      return GrpcStatus.PermissionDenied;
    case 404:
      return GrpcStatus.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus.Unavailable;
    default:
      return GrpcStatus.Unknown;
  }
}

const httpStatuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** google/rpc/code.proto; 500 for statuses it does not know. */
export function grpcToHttpStatus(status: number): number {
  return httpStatuses[status] ?? 500;
}

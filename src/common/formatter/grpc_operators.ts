/** The gRPC status of a response, as operators and access log filters read it. */
import { isGrpcType } from '../../../native-free/grpc/content_type.ts';
import { httpToGrpcStatus, parseGrpcStatus } from '../../../native-free/grpc/status.ts';
import { headerName } from '../../../native-free/headers/header_name.ts';
import type { FormatContext } from '../../spi/format.ts';
import { numberOperator, type Operator, type OperatorTable, Syntax, stringOperator } from './operator.ts';

const GRPC_STATUS = headerName('grpc-status');
const CONTENT_TYPE = headerName('content-type');

const camelNames = (
  'OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted ' +
  'FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated'
).split(' ');
const snakeNames = (
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED ' +
  'RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS ' +
  'UNAUTHENTICATED'
).split(' ');

/** From the trailers, else the headers, else told from the HTTP status; -1 when the peer's is no number. */
export function grpcStatusOf({ info, response, responseTrailers }: FormatContext): number | undefined {
  const text = responseTrailers?.get(GRPC_STATUS) ?? response?.headers.get(GRPC_STATUS);
  if (text !== undefined) return parseGrpcStatus(text);
  return info.responseCode === 0 ? undefined : httpToGrpcStatus(info.responseCode);
}

function isGrpcRequest({ request }: FormatContext): boolean {
  return isGrpcType(request?.headers.get(CONTENT_TYPE));
}

const statusNumber = numberOperator((context) => (isGrpcRequest(context) ? grpcStatusOf(context) : undefined));

function statusName(names: readonly string[]): Operator {
  return stringOperator((context) => {
    const status = isGrpcRequest(context) ? grpcStatusOf(context) : undefined;
    return status === undefined ? undefined : (names[status] ?? String(status));
  });
}

const statusFormats: Record<string, Operator> = {
  '': statusName(camelNames),
  CAMEL_STRING: statusName(camelNames),
  SNAKE_STRING: statusName(snakeNames),
  NUMBER: statusNumber,
};

export const grpcOperators: OperatorTable = {
  GRPC_STATUS: {
    syntax: Syntax.paramsOptional,
    create: (params) =>
      statusFormats[params] ?? `GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: ${params}`,
  },
  GRPC_STATUS_NUMBER: { syntax: Syntax.commandOnly, create: () => statusNumber },
};

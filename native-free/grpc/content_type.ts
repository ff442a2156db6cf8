/** Content types of gRPC (gRPC over HTTP/2, "Requests") and of gRPC-Web (PROTOCOL-WEB.md). */

export const grpcType = 'application/grpc';
export const grpcWebType = 'application/grpc-web';
export const grpcWebProtoType = 'application/grpc-web+proto';
export const grpcWebTextType = 'application/grpc-web-text';
export const grpcWebTextProtoType = 'application/grpc-web-text+proto';

/** `application/grpc` itself, or with a message format behind `+`; parameters make it none, as in Envoy. */
export function isGrpcType(type: string | undefined): boolean {
  if (type === undefined || !type.startsWith(grpcType)) return false;
  return type.length === grpcType.length || type.charCodeAt(grpcType.length) === 0x2b;
}

/** The path of a gRPC request: `/<service>/<method>`. */

export interface MethodPath {
  readonly service: string;
  readonly method: string;
}

/** Undefined when it does not have exactly two parts; a query does not count. */
export function parseMethodPath(path: string): MethodPath | undefined {
  const query = path.indexOf('?');
  const parts = (query < 0 ? path : path.slice(0, query)).split('/').filter((part) => part !== '');
  return parts.length === 2 ? { service: parts[0], method: parts[1] } : undefined;
}

/** What grpc_stats leaves with a stream: envoy.extensions.filters.http.grpc_stats.v3.FilterObject, as formats show it. */

export const stateKey = 'envoy.filters.http.grpc_stats';

/** The names are those by which FILTER_STATE(…:FIELD:…) asks. */
export class StatsState {
  request_message_count = 0;
  response_message_count = 0;

  /** %FILTER_STATE(…:PLAIN)% */
  toString(): string {
    return `${this.request_message_count},${this.response_message_count}`;
  }

  /** Canonical JSON: 64-bit numbers are strings, and a zero is left out. */
  toJSON(): object {
    return {
      ...(this.request_message_count > 0 && { requestMessageCount: String(this.request_message_count) }),
      ...(this.response_message_count > 0 && { responseMessageCount: String(this.response_message_count) }),
    };
  }
}

/** What a substitution format (`%…%`) may read: handed to access loggers, header mutation and local reply formats. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { StreamInfo } from '../common/stream_info.ts';

export interface FormatContext {
  readonly info: StreamInfo;
  readonly request: RequestHead | undefined;
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  readonly localReplyBody: string;
  /** envoy.data.accesslog.v3.AccessLogType; absent: the end of a finished stream, NotSet while it runs. */
  readonly accessLogType?: number;
}

/** Writes one entry for a finished stream. Called once a stream, on the data path: it must only buffer. */
export interface AccessLogger {
  log(context: FormatContext): void;
}

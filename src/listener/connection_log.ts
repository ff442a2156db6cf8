/** Step 1 of the data path: the access log of a listener has an entry for each connection, when it has ended. */
import { AccessLogType } from '../api/enums.ts';
import { now } from '../common/clock.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';
import type { AccessLogger, FormatContext } from '../spi/format.ts';

/** `stream` as the filters left it; where none counted the bytes of the payload, those of the connection are told. */
export function logConnection(stream: StreamInfo, connection: Connection, loggers: readonly AccessLogger[]): void {
  if (stream.endMonotonic === 0) {
    stream.endMonotonic = now;
    stream.bytesReceived = connection.socket.bytesRead;
    stream.bytesSent = connection.socket.bytesWritten;
  }
  stream.dynamicMetadata ??= stream.connection?.dynamicMetadata;
  const context: FormatContext = {
    info: stream,
    request: undefined,
    response: undefined,
    responseTrailers: undefined,
    localReplyBody: '',
    accessLogType: AccessLogType.NotSet,
  };
  for (const logger of loggers) logger.log(context);
}

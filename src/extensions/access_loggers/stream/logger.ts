/** envoy.access_loggers.stdout and .stderr on a worker; the message's type tells which of them. */
import type { envoy } from '../../../api/envoy_types.ts';
import type { AccessLoggerFactory } from '../../../common/access_log/create_access_logs.ts';
import { compileEntryFormat } from '../../../common/access_log/entry_format.ts';
import { FileLogger } from '../../../common/access_log/file_logger.ts';

type StreamAccessLog =
  | envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
  | envoy.extensions.access_loggers.stream.v3.StderrAccessLog;

const create: AccessLoggerFactory = (message, { files }) => {
  const { $typeName, accessLogFormat } = message as StreamAccessLog;
  const format = compileEntryFormat(accessLogFormat);
  if ('error' in format) throw new Error(format.error);
  const path =
    $typeName === 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog' ? '/dev/stdout' : '/dev/stderr';
  return new FileLogger(format.formatter, files.open(path));
};

export default create;

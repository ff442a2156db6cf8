/** envoy.access_loggers.file on a worker: made from configuration that `config.ts` has checked. */
import type { envoy } from '../../../api/envoy_types.ts';
import type { AccessLoggerFactory } from '../../../common/access_log/create_access_logs.ts';
import { compileEntryFormat } from '../../../common/access_log/entry_format.ts';
import { FileLogger } from '../../../common/access_log/file_logger.ts';

const create: AccessLoggerFactory = (message, { files }) => {
  const { path, accessLogFormat } = message as envoy.extensions.access_loggers.file.v3.FileAccessLog;
  const format = compileEntryFormat(accessLogFormat);
  if ('error' in format) throw new Error(format.error);
  return new FileLogger(format.formatter, files.open(path));
};

export default create;

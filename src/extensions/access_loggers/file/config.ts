/** envoy.access_loggers.file: access log entries into a file (control side). */
import type { envoy } from '../../../api/envoy_types.ts';
import { compileEntryFormat } from '../../../common/access_log/entry_format.ts';
import { checkLogFile } from '../../../common/access_log/log_file.ts';
import type { ExtensionFactory } from '../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.access_loggers.file',
  category: 'envoy.access_loggers',
  aliases: ['envoy.file_access_log'],
  typeName: 'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  validate(message, errors) {
    const { path, accessLogFormat } = message as envoy.extensions.access_loggers.file.v3.FileAccessLog;
    const format = compileEntryFormat(accessLogFormat);
    if ('error' in format) errors.error(format.path, format.error);
    const unwritable = checkLogFile(path);
    if (unwritable !== undefined) errors.error('path', unwritable);
  },
  load: () => import('./logger.ts'),
};

/** envoy.access_loggers.stdout and .stderr: access log entries to the process' standard streams (control side). */
import type { envoy } from '../../../api/envoy_types.ts';
import { compileEntryFormat } from '../../../common/access_log/entry_format.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../spi/extension.ts';

/** StderrAccessLog has the same fields. */
type StreamAccessLog = envoy.extensions.access_loggers.stream.v3.StdoutAccessLog;

function validate(message: unknown, errors: ConfigErrors): void {
  const format = compileEntryFormat((message as StreamAccessLog).accessLogFormat);
  if ('error' in format) errors.error(format.path, format.error);
}

export const stdoutFactory: ExtensionFactory = {
  name: 'envoy.access_loggers.stdout',
  category: 'envoy.access_loggers',
  typeName: 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
  validate,
  load: () => import('./logger.ts'),
};

export const stderrFactory: ExtensionFactory = {
  name: 'envoy.access_loggers.stderr',
  category: 'envoy.access_loggers',
  typeName: 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog',
  validate,
  load: () => import('./logger.ts'),
};

/** How log lines look when the bootstrap says so (`application_log_config`) and not the command line (start, after loading). */
import { applicationLogFormat } from '../common/application_log_format.ts';
import { setLogLevels } from '../common/log.ts';
import { DEFAULT_LOG_FORMAT } from '../common/log_format.ts';
import type { Diagnostic } from '../config/diagnostic.ts';
import type { LoadedBootstrap } from '../config/load.ts';
import type { Options } from './options.ts';

/** From here on lines look like that. What is wrong when both say so. */
export function takeLogFormat(loaded: LoadedBootstrap, options: Options): Options | Diagnostic {
  const format = loaded.bootstrap && applicationLogFormat(loaded.bootstrap);
  if (format === undefined || 'error' in format) return options;
  if (options.log.format !== DEFAULT_LOG_FORMAT) {
    const reason = 'Only one of ApplicationLogConfig.log_format or CLI option --log-format can be specified.';
    return loaded.diagnose('error', 'application_log_config.log_format', reason);
  }
  const log = { ...options.log, format: format.pattern };
  setLogLevels(log.level, log.componentLevels, log);
  return { ...options, log };
}

/** The engine of access logging: from an access_log list to the loggers a stream's end is told to (data side). */
import type { envoy } from '../../api/envoy_types.ts';
import type { AccessLogger, FormatContext } from '../../spi/format.ts';
import type { Runtime } from '../runtime.ts';
import { type AccessLogFilter, compileAccessLogFilter } from './filter.ts';
import type { LogFiles } from './log_files.ts';

/** What access logger extensions are lent. */
export interface AccessLogContext {
  readonly files: LogFiles;
}

/** What an access logger's data side exports by default. */
export type AccessLoggerFactory = (message: unknown, context: AccessLogContext) => AccessLogger;

export interface AccessLogDeps extends AccessLogContext {
  /** Filters ask it for limits and shares; without it the configured ones hold. */
  readonly runtime?: Runtime;
  /** The data side of an access logger, loaded before, and its unpacked configuration; undefined: there is none. */
  extension(config: {
    readonly name: string;
    readonly typedConfig?: { readonly typeUrl: string; readonly value: Uint8Array };
  }): { readonly create: unknown; readonly message: unknown } | undefined;
}

/** One logger an entry of the list, with its filter before it. */
export function createAccessLogs(
  list: readonly envoy.config.accesslog.v3.AccessLog[],
  deps: AccessLogDeps,
): AccessLogger[] {
  const loggers: AccessLogger[] = [];
  for (const { name, filter, configType } of list) {
    const extension = deps.extension({ name, typedConfig: configType.value });
    if (extension === undefined) continue;
    const logger = (extension.create as AccessLoggerFactory)(extension.message, deps);
    loggers.push(filter === undefined ? logger : new FilteredLogger(compileAccessLogFilter(filter, deps), logger));
  }
  return loggers;
}

class FilteredLogger implements AccessLogger {
  private readonly filter: AccessLogFilter;
  private readonly logger: AccessLogger;

  constructor(filter: AccessLogFilter, logger: AccessLogger) {
    this.filter = filter;
    this.logger = logger;
  }

  log(context: FormatContext): void {
    if (this.filter(context)) this.logger.log(context);
  }
}

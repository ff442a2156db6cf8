/** `application_log_config` of a bootstrap → the pattern of the log's lines (both sides of a start: checked, then used). */
import type { envoy } from '../api/envoy_types.ts';

export type ApplicationLogFormat =
  | { readonly pattern: string }
  /** `path` is the field inside `application_log_config`. */
  | { readonly error: string; readonly path: string };

/** Undefined when there is none. A JSON line is the struct with its patterns; it needs a text that is escaped for JSON. */
export function applicationLogFormat({
  applicationLogConfig: config,
}: envoy.config.bootstrap.v3.Bootstrap): ApplicationLogFormat | undefined {
  const format = config?.logFormat?.logFormat;
  if (format?.case === 'textFormat') return { pattern: format.value };
  if (format?.case !== 'jsonFormat') return undefined;
  const pattern = JSON.stringify(format.value);
  const raw = ['%v', '%_'].find((flag) => pattern.includes(flag));
  if (raw === undefined) return { pattern };
  const error = `setJsonLogFormat error: INVALID_ARGUMENT: Usage of ${raw} is unavailable for JSON log formats`;
  return { error, path: 'log_format.json_format' };
}

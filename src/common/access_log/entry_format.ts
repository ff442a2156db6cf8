/** The format of a file, stdout or stderr access logger, from its new and its old fields. */
import type { envoy } from '../../api/envoy_types.ts';
import { parseJsonFormat } from '../formatter/json_format.ts';
import { DEFAULT_FORMAT, parseFormat } from '../formatter/parse_format.ts';
import { compileSubstitutionFormat, type SubstitutionFormat } from '../formatter/substitution_format.ts';

type FileFormat = envoy.extensions.access_loggers.file.v3.FileAccessLog['accessLogFormat'];

/** Nothing configured, or an empty `format`, means Envoy's default entry. */
export function compileEntryFormat(format: FileFormat): SubstitutionFormat {
  switch (format.case) {
    case 'logFormat': {
      const compiled = compileSubstitutionFormat(format.value);
      return 'error' in compiled ? { ...compiled, path: `log_format.${compiled.path}` } : compiled;
    }
    case 'jsonFormat':
    case 'typedJsonFormat': {
      // Both keep types since Envoy 1.32.
      const parsed = parseJsonFormat(format.value);
      const field = format.case === 'jsonFormat' ? 'json_format' : 'typed_json_format';
      return 'error' in parsed ? { error: parsed.error, path: field + parsed.path } : parsed;
    }
    default: {
      const parsed = parseFormat(format.value || DEFAULT_FORMAT);
      return 'error' in parsed ? { error: parsed.error, path: 'format' } : parsed;
    }
  }
}

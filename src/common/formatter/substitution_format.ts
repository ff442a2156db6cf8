/** Compiles an envoy.config.core.v3.SubstitutionFormatString (access loggers, local replies, direct responses). */
import type { envoy } from '../../api/envoy_types.ts';
import { readDataSource } from './data_source.ts';
import { parseJsonFormat } from './json_format.ts';
import { type Formatter, parseFormat } from './parse_format.ts';

/** `path` is the faulty field below the message. */
export type SubstitutionFormat = { formatter: Formatter } | { error: string; path: string };

export function compileSubstitutionFormat(message: envoy.config.core.v3.SubstitutionFormatString): SubstitutionFormat {
  const { format, omitEmptyValues, formatters } = message;
  if (formatters.length > 0) {
    return { error: `${formatters[0].name} is not supported yet`, path: 'formatters[0]' };
  }
  switch (format.case) {
    case 'textFormat':
      return at('text_format', parseFormat(format.value, omitEmptyValues));
    case 'textFormatSource': {
      const source = readDataSource(format.value);
      return at('text_format_source', 'error' in source ? source : parseFormat(source.text, omitEmptyValues));
    }
    case 'jsonFormat': {
      const parsed = parseJsonFormat(format.value, omitEmptyValues);
      return at(`json_format${'error' in parsed ? parsed.path : ''}`, parsed);
    }
    default:
      return { error: 'one of text_format, json_format and text_format_source is required', path: 'format' };
  }
}

function at(path: string, parsed: { formatter: Formatter } | { error: string }): SubstitutionFormat {
  return 'error' in parsed ? { error: parsed.error, path } : parsed;
}

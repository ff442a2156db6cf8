/** The body_format of local replies and direct responses: text or JSON with its content type. */
import type { envoy } from '../../api/envoy_types.ts';
import type { FormatContext } from '../../spi/format.ts';
import type { Formatter } from './parse_format.ts';
import { compileSubstitutionFormat } from './substitution_format.ts';

export interface ReplyFormat {
  readonly formatter: Formatter;
  readonly contentType: string;
}

/** Throws on what configuration validation refuses. */
export function compileReplyFormat(message: envoy.config.core.v3.SubstitutionFormatString): ReplyFormat {
  const compiled = compileSubstitutionFormat(message);
  if ('error' in compiled) throw new Error(`${compiled.path}: ${compiled.error}`);
  const byFormat = message.format.case === 'jsonFormat' ? 'application/json' : 'text/plain';
  return { formatter: compiled.formatter, contentType: message.contentType || byFormat };
}

/** The body that a format makes of a reply's own, both with one char a byte; only here %LOCAL_REPLY_BODY% is known. */
export function formatReply(format: ReplyFormat, body: string, context: FormatContext): string {
  const { info, request, response, responseTrailers } = context;
  return format.formatter.format({ info, request, response, responseTrailers, localReplyBody: body });
}

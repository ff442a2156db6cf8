/** local_reply_config compiled: how a connection manager changes the answers it or its filters give themselves. */
import type { ResponseHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { type AccessLogFilter, type AccessLogFilterDeps, compileAccessLogFilter } from '../common/access_log/filter.ts';
import { readDataSource } from '../common/formatter/data_source.ts';
import { compileReplyFormat, formatReply, type ReplyFormat } from '../common/formatter/reply_format.ts';
import { compileHeaderMutations, type HeaderMutations } from '../common/header_mutation.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig;
type Mapper = envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper;

export interface RewrittenBody {
  /** One char a byte. */
  readonly body: string;
  readonly contentType: string;
}

const textPlain = 'text/plain';

export class LocalReplyConfig {
  private readonly mappers: readonly ResponseMapper[];
  private readonly format: ReplyFormat | undefined;

  /** Throws on what configuration validation refuses. */
  constructor(message: Message, deps?: AccessLogFilterDeps) {
    this.mappers = message.mappers.map((mapper) => new ResponseMapper(mapper, deps));
    this.format = message.bodyFormat === undefined ? undefined : compileReplyFormat(message.bodyFormat);
  }

  /** The first mapper that matches changes status and headers of `head`; the body is what its or the common format makes. */
  rewrite(head: ResponseHead, body: string, stream: FormatContext): RewrittenBody {
    const mapper = this.mappers.find((candidate) => candidate.matches(stream));
    mapper?.apply(head, stream);
    const text = mapper?.body ?? body;
    const format = mapper?.format ?? this.format;
    if (format === undefined) return { body: text, contentType: textPlain };
    return { body: formatReply(format, text, stream), contentType: format.contentType };
  }
}

class ResponseMapper {
  readonly matches: AccessLogFilter;
  readonly format: ReplyFormat | undefined;
  /** Undefined: the reply's own. */
  readonly body: string | undefined;
  private readonly status: number | undefined;
  private readonly mutations: HeaderMutations;

  constructor(message: Mapper, deps: AccessLogFilterDeps | undefined) {
    this.matches = message.filter === undefined ? () => true : compileAccessLogFilter(message.filter, deps);
    this.format = message.bodyFormatOverride === undefined ? undefined : compileReplyFormat(message.bodyFormatOverride);
    this.status = message.statusCode;
    this.body = message.body === undefined ? undefined : bodyOf(message.body);
    this.mutations = compileHeaderMutations(message.headersToAdd, []);
  }

  /** In Envoy's order: formats of the headers see the old status. */
  apply(head: ResponseHead, stream: FormatContext): void {
    this.mutations.applyToResponse(head, stream);
    if (this.status === undefined) return;
    head.status = this.status;
    stream.info.responseCode = this.status;
  }
}

function bodyOf(source: envoy.config.core.v3.DataSource): string {
  const read = readDataSource(source);
  if ('error' in read) throw new Error(read.error);
  return toWire(read.text);
}

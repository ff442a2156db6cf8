/** Operators over the heads of a request and its response (access logs, header values, local replies). */
import { randomUUID } from 'node:crypto';
import type { HeaderMap } from '../../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../../native-free/headers/header_name.ts';
import { AccessLogType } from '../../api/enums.ts';
import type { FormatContext } from '../../spi/format.ts';
import { headerBytes, requestHeadBytes, responseHeadBytes } from '../head_bytes.ts';
import { inlineRequestHeaders, inlineResponseHeaders } from '../inline_headers.ts';
import type { StreamInfo } from '../stream_info.ts';
import {
  numberField,
  type OperatorSpec,
  type OperatorTable,
  Syntax,
  stringField,
  stringOperator,
  truncated,
} from './operator.ts';

const accessLogTypes = new Map<number, string>(Object.entries(AccessLogType).map(([name, value]) => [value, name]));

type ReadText = (context: FormatContext) => string | undefined;

const ORIGINAL_PATH = headerName('x-envoy-original-path');
const REQUEST_ID = headerName('x-request-id');
const HEADER_NAME = /^:?[\w!#$%&'*+.^`|~-]*$/;

/** The first value of a header; for those that Envoy keeps as one value, all of them joined. */
function readMap(map: HeaderMap | undefined, name: HeaderName, joined: boolean): string | undefined {
  if (map === undefined) return undefined;
  return joined ? map.getAll(name) : map.get(name);
}

const pseudoHeaders: Record<string, ReadText> = {
  ':method': ({ request }) => request?.method || undefined,
  ':path': ({ request }) => request?.path || undefined,
  ':authority': ({ request }) => request?.authority || undefined,
  ':scheme': ({ request }) => request?.scheme || undefined,
};
pseudoHeaders.host = pseudoHeaders[':authority'];

function readRequest(name: string): ReadText {
  const pseudo = pseudoHeaders[name];
  if (pseudo !== undefined) return pseudo;
  const header = headerName(name);
  const joined = inlineRequestHeaders.has(header);
  return ({ request }) => readMap(request?.headers, header, joined);
}

function readResponse(name: string): ReadText {
  if (name === ':status') return ({ response }) => (response === undefined ? undefined : String(response.status));
  const header = headerName(name);
  const joined = inlineResponseHeaders.has(header);
  return ({ response }) => readMap(response?.headers, header, joined);
}

function readTrailer(name: string): ReadText {
  const header = headerName(name);
  return ({ responseTrailers }) => responseTrailers?.get(header);
}

/** `(NAME)`, `(NAME?OTHER)` with an optional length: the other header counts when the first is absent, not when it is empty. */
function headerField(reader: (name: string) => ReadText): OperatorSpec {
  return {
    syntax: Syntax.paramsRequired | Syntax.lengthAllowed,
    create: (params, maxLength) => {
      const names = params.toLowerCase().split('?');
      if (names.length > 2) return `More than 1 alternative header specified in token: ${params}`;
      if (!names.every((name) => HEADER_NAME.test(name))) {
        return 'Invalid header configuration. Format string contains invalid characters.';
      }
      const [first, second] = names.filter((name) => name !== '').map(reader);
      if (first === undefined) return stringOperator(() => undefined);
      const read = second === undefined ? first : (context: FormatContext) => first(context) ?? second(context);
      return truncated(read, maxLength);
    },
  };
}

const originalPath: ReadText = ({ request }) => request?.headers.get(ORIGINAL_PATH);
const currentPath = pseudoHeaders[':path'];

const pathSources: Record<string, ReadText> = {
  ORIG: originalPath,
  PATH: currentPath,
  ORIG_OR_PATH: (context) => originalPath(context) ?? currentPath(context),
};

/** `(WQ|NQ:source)`: the path with or without its query. */
const path: OperatorSpec = {
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    const [query = '', source = ''] = params.split(':');
    if (!['', 'WQ', 'NQ'].includes(query)) return `Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`;
    const read = pathSources[source || 'ORIG_OR_PATH'];
    if (read === undefined) return `Invalid PATH option: '${source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`;
    return truncated(query === 'NQ' ? (context) => read(context)?.split('?', 1)[0] : read, maxLength);
  },
};

function queryOf(context: FormatContext): string | undefined {
  const text = currentPath(context);
  const at = text === undefined ? -1 : text.indexOf('?');
  return text === undefined || at < 0 ? undefined : text.slice(at + 1);
}

/** Envoy decodes percent escapes and leaves `+`; broken escapes stay. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Of a query as a whole Envoy decodes what may stand in one, leaves the other escapes, and drops the sign of a broken one. */
function queryDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})|%(?=..)/gs, (escape, hex?: string) => {
    if (hex === undefined) return '';
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[!#-;=?-[\]_-z~]/.test(character) ? character : escape;
  });
}

const queryParam: OperatorSpec = {
  syntax: Syntax.paramsRequired | Syntax.lengthAllowed,
  create: (params, maxLength) =>
    truncated((context) => {
      for (const pair of queryOf(context)?.split('&') ?? []) {
        const equals = pair.indexOf('=');
        const key = equals < 0 ? pair : pair.slice(0, equals);
        if (percentDecoded(key) === params) return equals < 0 ? '' : percentDecoded(pair.slice(equals + 1));
      }
      return undefined;
    }, maxLength),
};

const queryParams: OperatorSpec = {
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    if (!['', 'ORIG', 'DECODED'].includes(params)) {
      return `Invalid QUERY_PARAMS option: '${params}', only 'ORIG'/'DECODED' are allowed`;
    }
    if (params !== 'DECODED') return truncated(queryOf, maxLength);
    return truncated((context) => {
      const query = queryOf(context);
      return query === undefined ? undefined : queryDecoded(query);
    }, maxLength);
  },
};

const serverName: ReadText = ({ info }) => info.connection?.requestedServerName.replace(/[^\w.-]/g, '_') || undefined;

const hostSources: Record<string, ReadText> = {
  ORIG: readRequest('x-envoy-original-host'),
  HOST: pseudoHeaders.host,
};
hostSources.ORIG_OR_HOST = (context) => hostSources.ORIG(context) ?? hostSources.HOST(context);

const requestedServerName: OperatorSpec = {
  syntax: Syntax.paramsOptional,
  create: (params) => {
    const [order = '', source = ''] = params.split(':');
    if (!['', 'SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'].includes(order)) {
      return `Invalid REQUESTED_SERVER_NAME option: '${order}', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed`;
    }
    const host = hostSources[source || 'ORIG_OR_HOST'];
    if (host === undefined) {
      return `Invalid REQUESTED_SERVER_NAME option: '${source}', only 'ORIG_OR_HOST'/'HOST'/'ORIG' are allowed`;
    }
    if (order === 'SNI_FIRST') return stringOperator((context) => serverName(context) ?? host(context));
    if (order === 'HOST_FIRST') return stringOperator((context) => host(context) ?? serverName(context));
    return stringOperator(serverName);
  },
};

/** The type of an entry, told from the stream where the writer does not say it. */
export function accessLogTypeOf(context: FormatContext): number {
  if (context.accessLogType !== undefined) return context.accessLogType;
  if (context.info.endMonotonic === 0) return AccessLogType.NotSet;
  return context.info.protocol === undefined ? AccessLogType.TcpConnectionEnd : AccessLogType.DownstreamEnd;
}

/** A TCP stream has no request id: it gets one when somebody asks for it. */
const tcpStreamIds = new WeakMap<StreamInfo, string>();

const streamId = stringField(({ info, request }) => {
  if (request !== undefined || info.protocol !== undefined) return request?.headers.get(REQUEST_ID);
  let id = tcpStreamIds.get(info);
  if (id === undefined) {
    id = randomUUID();
    tcpStreamIds.set(info, id);
  }
  return id;
});

export const httpOperators: OperatorTable = {
  REQ: headerField(readRequest),
  REQUEST_HEADER: headerField(readRequest),
  STREAM_INFO_REQ: headerField(readRequest),
  RESP: headerField(readResponse),
  RESPONSE_HEADER: headerField(readResponse),
  TRAILER: headerField(readTrailer),
  RESPONSE_TRAILER: headerField(readTrailer),
  PATH: path,
  QUERY_PARAM: queryParam,
  QUERY_PARAMS: queryParams,
  REQUESTED_SERVER_NAME: requestedServerName,
  STREAM_ID: streamId,
  ACCESS_LOG_TYPE: stringField((context) => accessLogTypes.get(accessLogTypeOf(context))),
  LOCAL_REPLY_BODY: {
    syntax: Syntax.commandOnly,
    create: () => stringOperator((context) => context.localReplyBody),
  },
  REQUEST_HEADERS_BYTES: numberField(({ request }) => requestHeadBytes(request)),
  RESPONSE_HEADERS_BYTES: numberField(({ response }) => responseHeadBytes(response?.headers)),
  RESPONSE_TRAILERS_BYTES: numberField(({ responseTrailers }) => headerBytes(responseTrailers)),
};

/** A strict reader of requests as RFC 9112 frames them, apart from the proxy's codec: what an upstream makes of bytes it gets. */

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  /** Lower-case names with values, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** The whole requests in `bytes`; `rest` is what is behind the last one, `error` why it can never become a request. */
export function readRequests(bytes: Buffer): { requests: ReadRequest[]; rest: number; error: string } {
  const text = bytes.toString('latin1');
  const requests: ReadRequest[] = [];
  let at = 0;
  while (at < text.length) {
    const read = readOne(text, at);
    if (typeof read === 'string') return { requests, rest: text.length - at, error: read };
    requests.push(read.request);
    at = read.end;
  }
  return { requests, rest: 0, error: '' };
}

const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.1$/;
const fieldLine =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(|[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*$/;

/** A whole request and where it ends, '' while bytes are missing, or what is wrong. */
function readOne(text: string, at: number): { request: ReadRequest; end: number } | string {
  const headEnd = text.indexOf('\r\n\r\n', at);
  if (headEnd < 0) return '';
  const [first, ...lines] = text.slice(at, headEnd).split('\r\n');
  const line = requestLine.exec(first);
  if (line === null) return `request line ${JSON.stringify(first)}`;
  const fields: (readonly [string, string])[] = [];
  for (const field of lines) {
    const match = fieldLine.exec(field);
    if (match === null) return `field ${JSON.stringify(field)}`;
    fields.push([match[1].toLowerCase(), match[2]]);
  }
  const body = readBody(text, headEnd + 4, fields);
  if (typeof body === 'string') return body;
  return { request: { method: line[1], target: line[2], fields, body: body.body }, end: body.end };
}

function readBody(text: string, at: number, fields: ReadRequest['fields']): { body: string; end: number } | string {
  const lengths = fields.filter(([name]) => name === 'content-length');
  const encodings = fields.filter(([name]) => name === 'transfer-encoding');
  const hosts = fields.filter(([name]) => name === 'host');
  if (hosts.length !== 1) return `${hosts.length} hosts`;
  if (lengths.length + encodings.length > 1) return 'two framings';
  if (encodings.length === 1) return encodings[0][1] === 'chunked' ? readChunks(text, at) : 'transfer-encoding';
  if (lengths.length === 0) return { body: '', end: at };
  if (!/^\d+$/.test(lengths[0][1])) return 'content-length';
  const end = at + Number(lengths[0][1]);
  return end > text.length ? '' : { body: text.slice(at, end), end };
}

function readChunks(text: string, start: number): { body: string; end: number } | string {
  let body = '';
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return '';
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]{1,12}$/.test(size)) return `chunk size ${JSON.stringify(size)}`;
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) {
      const end = text.startsWith('\r\n', at) ? at + 2 : text.indexOf('\r\n\r\n', at) + 4;
      return end < at + 2 ? '' : { body, end };
    }
    if (text.length < at + length + 2) return '';
    if (!text.startsWith('\r\n', at + length)) return 'chunk without end';
    body += text.slice(at, at + length);
    at += length + 2;
  }
}

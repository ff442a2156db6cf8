/** HTTP/1 messages with something wrong in them: whole messages, cut and spliced with the tokens parsers disagree about. */
import type { Random } from './random.ts';

const requestHeads = [
  'GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n',
  'GET /a/b?c=d HTTP/1.1\r\nHost: h.test:80\r\nAccept: */*\r\nUser-Agent: x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n',
  'POST /t HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n',
  'PUT /u HTTP/1.1\r\nHost: h\r\nConnection: close, x-a\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc',
  'GET http://h.test/abs?q HTTP/1.1\r\nHost: other\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n',
  'HEAD /h HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
  'DELETE /d HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n\r\n',
  'POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok',
  'GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n',
  'POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\nGET /hidden HTTP/1.1\r\nHost: hidden\r\n\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n',
];

const responses = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n',
  'HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n1\r\nx\r\n0\r\nT: v\r\n\r\n',
];

const tokens = [
  ...['\r', '\n', '\r\n', '\r\r\n', '\n\r\n', '\0', ' ', '\t', '\v', '\f', ':', ',', ';', '_', '"', '\x7f', '\x80', '\xe9', '\xff'],
  ...['0', '5', '00', 'f', '-', '+', '0x', '#', '?', '*', '/', '\\', '@', '%', '%00', '%2f', '..', '//', '[', ']', '=', '(', '{'],
  ...['Content-Length: 5\r\n', 'content-length:0\r\n', 'Content-Length: 5, 5\r\n', 'Content-Length: 18446744073709551616\r\n', 'Content-Length : 3\r\n', 'Content_Length: 9\r\n'],
  ...['Transfer-Encoding: chunked\r\n', 'transfer-encoding: gzip\r\n', 'Transfer-Encoding:\tchunked\r\n', 'Transfer-Encoding: chunked, identity\r\n', 'Transfer-Encoding:\r\n chunked\r\n', 'TE: gzip\r\n', ' chunked', 'chunked, '],
  ...['Host: x\r\n', 'Host:\r\n', 'host : y\r\n', 'Connection: content-length\r\n', 'Connection: te, host\r\n', 'Connection: transfer-encoding\r\n', 'Connection: close\r\n', 'Connection: keep-alive\r\n', 'Keep-Alive: 5\r\n', 'Proxy-Connection: x\r\n', 'Upgrade: h2c\r\n', 'Expect: 100-continue\r\n', 'Expect: x\r\n'],
  ...['\r\n\r\n', '0\r\n\r\n', '\r\n b', '\r\n\tb', ': b\r\n', 'a\r\n', ':path: /x\r\n', ':method: GET\r\n', 'X-Envoy-Original-Path: /z\r\n', 'X-Forwarded-Proto: https\r\n', 'X-Forwarded-For: a, b\r\n', 'Via: x\r\n'],
  ...['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', ' HTTP/1.1', 'http/1.1', 'GET / HTTP/1.1\r\n', 'GET', 'CONNECT ', 'get', 'TRACE', 'PATCH', 'M-SEARCH', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http://a/', 'https://a:1', 'ftp://a'],
]; // biome-ignore format: a table

/** One request, or a few behind each other, with up to four mutations. */
export function mutatedRequest(random: Random): string {
  return mutate(random.pick(requestHeads), random);
}

/** An answer with up to four mutations, now and then none. */
export function mutatedResponse(random: Random): string {
  const base = random.pick(responses);
  return random.chance(0.3) ? base : mutate(base, random);
}

function mutate(base: string, random: Random): string {
  let text = base;
  for (let count = 1 + random.int(4); count > 0; count--) text = mutateOnce(text, random);
  return text;
}

function mutateOnce(text: string, random: Random): string {
  const at = random.int(text.length + 1);
  const before = text.slice(0, at);
  switch (random.int(8)) {
    case 0:
      return before + random.pick(tokens) + text.slice(at);
    case 1: {
      const token = random.pick(tokens);
      return before + token + text.slice(at + token.length);
    }
    case 2:
      return before + text.slice(at + 1 + random.int(8));
    case 3:
      return before + text.slice(at, at + 1 + random.int(12)) + text.slice(at);
    case 4:
      return before + String.fromCharCode(random.int(256)) + text.slice(at + 1);
    case 5:
      return insertLine(text, random.pick(tokens), random);
    case 6:
      return moveLine(text, random);
    default:
      return changeCase(text, at, random);
  }
}

/** Puts a token where a field begins, which is where it does most. */
function insertLine(text: string, token: string, random: Random): string {
  const lines = text.split('\r\n');
  const at = Math.min(lines.length - 1, 1 + random.int(4));
  const line = token.endsWith('\r\n') ? token.slice(0, -2) : token;
  if (token.endsWith('\r\n') || random.chance(0.5)) lines.splice(at, 0, line);
  else lines[at] = random.chance(0.5) ? line + lines[at] : lines[at] + line;
  return lines.join('\r\n');
}

function moveLine(text: string, random: Random): string {
  const lines = text.split('\r\n');
  const [line] = lines.splice(random.int(lines.length), 1);
  lines.splice(random.int(lines.length + 1), random.int(2), line, ...(random.chance(0.3) ? [line] : []));
  return lines.join('\r\n');
}

function changeCase(text: string, at: number, random: Random): string {
  const end = at + 1 + random.int(8);
  const part = text.slice(at, end);
  return text.slice(0, at) + (random.chance(0.5) ? part.toUpperCase() : part.toLowerCase()) + text.slice(end);
}

/** The pattern of `--log-format` (spdlog's, with Envoy's own `%_`, `%j`, `%*` and `%+`) as a function that writes a line. */
import { readlinkSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const DEFAULT_LOG_FORMAT = '[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v';

/** Makes one line, without its line feed. */
export type LogFormatter = (level: string, component: string, text: string) => string;

interface Entry {
  level: string;
  component: string;
  text: string;
  /** Milliseconds since 1970. */
  now: number;
  previous: number;
  date: Date;
  file: string;
  line: number;
  method: string;
}
type Piece = (entry: Entry) => string;

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ('January February March April May June July August September October November December' as const).split(
  ' ',
);

const two = (n: number): string => (n < 10 ? '0' + n : '' + n);
const three = (n: number): string => ('' + n).padStart(3, '0');
const twelve = (d: Date): string => two(d.getHours() % 12 || 12);
const clock = (d: Date): string => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const half = (d: Date): string => (d.getHours() < 12 ? 'AM' : 'PM');
const shortDate = (d: Date): string => `${two(d.getMonth() + 1)}/${two(d.getDate())}/${two(d.getFullYear() % 100)}`;
const milliseconds = (e: Entry): number => Math.floor(e.now) % 1000;

function zone(d: Date): string {
  const minutes = -d.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** Parts that stay the same for a whole second: formatted once for all lines of it. */
const PER_SECOND: Record<string, (d: Date) => string> = {
  a: (d) => DAYS[d.getDay()].slice(0, 3),
  A: (d) => DAYS[d.getDay()],
  b: (d) => MONTHS[d.getMonth()].slice(0, 3),
  h: (d) => MONTHS[d.getMonth()].slice(0, 3),
  B: (d) => MONTHS[d.getMonth()],
  c: (d) => `${PER_SECOND.a(d)} ${PER_SECOND.b(d)} ${d.getDate()} ${clock(d)} ${d.getFullYear()}`,
  C: (d) => two(d.getFullYear() % 100),
  Y: (d) => '' + d.getFullYear(),
  D: shortDate,
  x: shortDate,
  m: (d) => two(d.getMonth() + 1),
  d: (d) => two(d.getDate()),
  H: (d) => two(d.getHours()),
  I: twelve,
  M: (d) => two(d.getMinutes()),
  S: (d) => two(d.getSeconds()),
  p: half,
  r: (d) => `${twelve(d)}:${two(d.getMinutes())}:${two(d.getSeconds())} ${half(d)}`,
  R: (d) => `${two(d.getHours())}:${two(d.getMinutes())}`,
  T: clock,
  X: clock,
  z: zone,
  E: (d) => '' + Math.floor(d.getTime() / 1000),
};

const PER_LINE: Record<string, Piece> = {
  e: (e) => three(milliseconds(e)),
  f: (e) => three(milliseconds(e)) + '000',
  F: (e) => three(milliseconds(e)) + '000000',
  l: (e) => e.level,
  L: (e) => e.level[0].toUpperCase(),
  n: (e) => e.component,
  v: (e) => e.text,
  _: (e) => e.text.replaceAll('\n', '\\n'),
  j: (e) => JSON.stringify(e.text).slice(1, -1),
  '*': (e) => splitTags(e.text).tags,
  '+': (e) => splitTags(e.text).message.replaceAll('\n', '\\n'),
  g: (e) => e.file,
  s: (e) => e.file.slice(e.file.lastIndexOf('/') + 1),
  '#': (e) => (e.file === '' ? '' : '' + e.line),
  '!': (e) => e.method,
  '@': (e) => (e.file === '' ? '' : `${e.file}:${e.line}`),
  // Time since the line before: spdlog's elapsed flags.
  o: (e) => '' + Math.floor(e.now - e.previous),
  i: (e) => '' + Math.floor((e.now - e.previous) * 1000),
  u: (e) => '' + Math.floor((e.now - e.previous) * 1e6),
  O: (e) => '' + Math.floor((e.now - e.previous) / 1000),
  '^': () => '',
  $: () => '',
  '%': () => '%',
};
const NEEDS_CALL_SITE = 'gs#!@';

/** `%-8!l` (align, width, cut, flag), `%l`, or text between flags. */
const PATTERN_PARTS = /%([-=]?)(\d+)(!?)(.)|%(.)|[^%]+|%$/gs;

/** `[Tags: "ConnectionId":"1"] text` → `,"ConnectionId":"1"` and `text`, for log formats that are JSON. */
function splitTags(text: string): { tags: string; message: string } {
  const match = /^\[Tags: (.*?"|)\] ?/.exec(text);
  return match === null
    ? { tags: '', message: text }
    : { tags: match[1] === '' ? '' : ',' + match[1], message: text.slice(match[0].length) };
}

function pad(text: string, align: string, width: number, cut: boolean): string {
  if (text.length >= width) return cut ? text.slice(0, width) : text;
  if (align === '-') return text.padEnd(width);
  return align === '=' ? text.padStart(text.length + ((width - text.length) >> 1)).padEnd(width) : text.padStart(width);
}

/** `%t`: the id the system gives the thread, as in `top -H`; `fallback` (or the process id) where it tells none. */
function threadId(fallback: string): string {
  try {
    return readlinkSync('/proc/thread-self').split('/')[2];
  } catch {
    return fallback || '' + process.pid;
  }
}

/**
 * Compiles a pattern; flags spdlog does not know stay as they are written.
 * `threadName` stands for `%t` on systems without /proc.
 */
export function compileLogFormat(pattern: string, threadName: string, clockNow: () => number = Date.now): LogFormatter {
  const pieces: Piece[] = [];
  let needsCallSite = false;
  let second = -1;
  const cached = (make: (d: Date) => string): Piece => {
    let of: Date | undefined;
    let text = '';
    return (e) => {
      if (of === e.date) return text;
      of = e.date;
      text = make(of);
      return text;
    };
  };
  const thread = threadId(threadName);
  const process_ = '' + process.pid;
  const pieceOf = (flag: string): Piece | undefined => {
    if (flag === 't') return () => thread;
    if (flag === 'P') return () => process_;
    return Object.hasOwn(PER_SECOND, flag) ? cached(PER_SECOND[flag]) : PER_LINE[flag];
  };
  let literal = '';
  const flush = (): void => {
    const text = literal;
    if (text !== '') pieces.push(() => text);
    literal = '';
  };
  for (const [whole, align, width, cut, padded, bare] of pattern.matchAll(PATTERN_PARTS)) {
    const flag = padded ?? bare;
    const piece = flag === undefined ? undefined : pieceOf(flag);
    if (piece === undefined) {
      literal += whole;
      continue;
    }
    flush();
    needsCallSite ||= NEEDS_CALL_SITE.includes(flag);
    pieces.push(width === undefined ? piece : (e) => pad(piece(e), align, Number(width), cut === '!'));
  }
  flush();
  const entry: Entry = {
    level: '',
    component: '',
    text: '',
    now: clockNow(),
    previous: clockNow(),
    date: new Date(0),
    file: '',
    line: 0,
    method: '',
  };
  return (level, component, text) => {
    entry.level = level;
    entry.component = component;
    entry.text = text;
    entry.previous = entry.now;
    entry.now = clockNow();
    const nowSecond = Math.floor(entry.now / 1000);
    if (nowSecond !== second) {
      second = nowSecond;
      entry.date = new Date(second * 1000);
    }
    if (needsCallSite) findCallSite(entry);
    let line = '';
    for (const piece of pieces) line += piece(entry);
    return line;
  };
}

const ROOT = new URL('../../', import.meta.url).href;
const ROOT_PATH = fileURLToPath(ROOT);
/** Frames between here and the line that logged: findCallSite, the formatter, write(), Logger.<level>(). */
const FRAMES = 4;
const keepSites = (_: Error, sites: NodeJS.CallSite[]): NodeJS.CallSite[] => sites;

/** Envoy's lines name the source that wrote them. 1.5 µs, a third of util.getCallSites(), and only for lines written. */
function findCallSite(entry: Entry): void {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = keepSites;
  Error.stackTraceLimit = FRAMES + 1;
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder);
  const site = (holder.stack as NodeJS.CallSite[])[FRAMES];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  const file = site?.getFileName() ?? '';
  if (file.startsWith(ROOT)) entry.file = file.slice(ROOT.length);
  else entry.file = file.startsWith(ROOT_PATH) ? file.slice(ROOT_PATH.length).replaceAll(sep, '/') : file;
  entry.line = site?.getLineNumber() ?? 0;
  entry.method = site?.getFunctionName() ?? '';
}

const C_ESCAPES: Record<string, string> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  "'": "\\'",
  '\\': '\\\\',
};

/** `--log-format-escaped`: absl::CEscape over the line. */
export function escapeLogLine(line: string): string {
  return line.replace(/["'\\]|[^ -~]/gu, (char) => C_ESCAPES[char] ?? octal(char));
}

function octal(char: string): string {
  let out = '';
  for (const byte of Buffer.from(char)) out += '\\' + byte.toString(8).padStart(3, '0');
  return out;
}

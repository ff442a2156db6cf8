/** Step 5 of the data path: the request path made canonical as the manager's options say, before anything is matched on it. */

/** HttpConnectionManager.PathWithEscapedSlashesAction; 0, the implementation's default, keeps them. */
const EscapedSlashes = { Keep: 1, Reject: 2, UnescapeAndRedirect: 3, UnescapeAndForward: 4 } as const;

export interface PathNormalization {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  /** HttpConnectionManager.PathWithEscapedSlashesAction. */
  readonly escapedSlashes: number;
}

/**
 * The path to go on with (the same string when nothing is to do); `reject`: answer 400 with `path_normalization_failed`;
 * `{redirect}`: answer 307 with this as `location`. The order is Envoy's: slashes are unescaped, dot segments resolved (RFC 3986
 * section 6.2.2), slashes merged. So `/x//../y` becomes `/x/y`.
 */
export function normalizeRequestPath(
  path: string,
  options: PathNormalization,
): string | 'reject' | { redirect: string } {
  const [bare, query] = splitQuery(path);
  let result = bare;
  let redirect = false;
  if (options.escapedSlashes > EscapedSlashes.Keep && /%(?:2f|5c)/i.test(result)) {
    if (options.escapedSlashes === EscapedSlashes.Reject) return 'reject';
    redirect = options.escapedSlashes === EscapedSlashes.UnescapeAndRedirect;
    result = withPlainSlashes(result);
  }
  if (options.normalizePath) {
    const canonical = canonicalPath(result);
    if (canonical === undefined) return 'reject';
    result = canonical;
  }
  if (options.mergeSlashes) result = mergeSlashes(result);
  return redirect ? { redirect: result + query } : result + query;
}

/** A path that was refused as logs show it. */
export function refusedPath(path: string, options: PathNormalization): string {
  if (options.escapedSlashes <= EscapedSlashes.Keep) return path;
  const [bare, query] = splitQuery(path);
  return withPlainSlashes(bare) + query;
}

function splitQuery(path: string): [path: string, query: string] {
  const queryStart = path.indexOf('?');
  return queryStart < 0 ? [path, ''] : [path.slice(0, queryStart), path.slice(queryStart)];
}

function withPlainSlashes(path: string): string {
  return path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
}

/**
 * Dot segments resolved, unreserved characters unescaped, backslashes turned, characters escaped that no URI path has.
 * Undefined for a path with NUL. `path` is without its query.
 */
function canonicalPath(path: string): string | undefined {
  if (!/[\\%"<>^`{|}\x00-\x20\x7f-\xff]|\/\.|^[^/]/.test(path)) return path;
  if (path.includes('%00') || path.includes('\0')) return undefined;
  const segments = path.split(/[/\\]/);
  const kept: string[] = [];
  for (let i = segments[0] === '' ? 1 : 0; i < segments.length; i++) {
    const segment = canonicalSegment(segments[i]);
    if (segment !== '.' && segment !== '..') {
      kept.push(segment);
      continue;
    }
    if (segment === '..') kept.pop();
    if (i === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

function canonicalSegment(segment: string): string {
  // `..;x` counts as `..`: servers that know path parameters would read it so.
  const parameter = /^(\.\.?);/.exec(segment);
  if (parameter !== null) return parameter[1];
  return segment
    .replace(/%(?:2[de]|3\d|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi, unescapeUnreserved)
    .replace(/["<>^`{|}\x01-\x20\x7f-\xff]/g, percentEncode);
}

/** Unreserved characters are letters, digits, `-`, `.`, `_` and `~` (RFC 3986 section 2.3). */
function unescapeUnreserved(escaped: string): string {
  const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[\w\-.~]/.test(char) ? char : escaped;
}

function percentEncode(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** One slash for several in a row. A path of slashes only becomes `//`, as Envoy makes it. */
function mergeSlashes(path: string): string {
  if (!path.includes('//')) return path;
  return /^\/+$/.test(path) ? '//' : path.replace(/\/{2,}/g, '/');
}

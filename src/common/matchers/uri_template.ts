/** Path templates such as `/users/{id}/{rest=**}`: envoy.path.match.uri_template and its rewrite. */

/** A template as a regular expression over the whole path, with its variables in the order of their groups. */
export interface UriTemplate {
  readonly pattern: string;
  readonly variables: readonly string[];
}

const literal = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;
const pathGlob = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=]+";
const textGlob = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=/]*";

/** The template, or what is wrong with it in Envoy's words. */
export function parseUriTemplate(template: string): UriTemplate | string {
  if (!/^\/[!-~]*$/.test(template)) return 'Invalid pattern';
  const state: State = { variables: [], textGlobSeen: false };
  let pattern = '';
  let rest = template.slice(1);
  while (rest !== '') {
    const segment = parseSegment(rest, state);
    if (typeof segment === 'string') return segment;
    pattern += `/${segment.pattern}`;
    rest = segment.rest;
    if (rest === '') break;
    if (rest === '/') {
      pattern += '/';
      rest = '';
    } else if (rest[0] === '/') rest = rest.slice(1);
    else {
      if (rest.includes('/')) return 'Prefix match not supported.';
      if (!literal.test(rest)) return 'Invalid literal';
      pattern += escapeRe2(rest);
      rest = '';
    }
  }
  return { pattern: pattern === '' ? '/' : pattern, variables: state.variables };
}

/** A rewrite template as a substitution for the pattern of its match template, or what is wrong with it. */
export function parseUriRewrite(rewrite: string, variables: readonly string[]): { substitution: string } | string {
  let substitution = '';
  for (let at = 0; at < rewrite.length; ) {
    if (rewrite[at] === '{') {
      const end = rewrite.indexOf('}', at);
      const group = end < 0 ? 0 : variables.indexOf(rewrite.slice(at + 1, end)) + 1;
      if (group === 0) return 'mismatch between variables in path_match_policy and path_rewrite_policy';
      substitution += `\\${group}`;
      at = end + 1;
    } else {
      const next = rewrite.indexOf('{', at);
      const text = rewrite.slice(at, next < 0 ? undefined : next);
      if (!literal.test(text.replaceAll('/', '-'))) return 'Invalid rewrite literal';
      substitution += text;
      at += text.length;
    }
  }
  return rewrite[0] === '/' ? { substitution } : 'Invalid rewrite literal';
}

interface State {
  variables: string[];
  textGlobSeen: boolean;
}

interface Parsed {
  readonly pattern: string;
  readonly rest: string;
}

function parseSegment(text: string, state: State): Parsed | string {
  if (text[0] === '*') return parseGlob(text, state);
  return text[0] === '{' ? parseVariable(text, state) : parseLiteral(text);
}

function parseLiteral(text: string): Parsed | string {
  const end = text.indexOf('/');
  const part = end < 0 ? text : text.slice(0, end);
  return literal.test(part) ? { pattern: escapeRe2(part), rest: text.slice(part.length) } : 'Invalid literal';
}

function parseGlob(text: string, state: State): Parsed | string {
  if (state.textGlobSeen) return 'Glob after text glob.';
  state.textGlobSeen = text.startsWith('**');
  return state.textGlobSeen ? { pattern: textGlob, rest: text.slice(2) } : { pattern: pathGlob, rest: text.slice(1) };
}

function parseVariable(text: string, state: State): Parsed | string {
  const end = text.indexOf('}');
  if (end < 0) return 'Unmatched variable bracket';
  const [, name, match] = /^([^=]*)(?:=(.*))?$/.exec(text.slice(1, end))!;
  if (!/^[a-zA-Z]\w*$/.test(name)) return 'Invalid variable name';
  if (name.length > 16) return `Invalid variable name length (length of "${name}" is ${name.length}; maximum is 16)`;
  if (state.variables.includes(name)) return `Repeated variable name: "${name}"`;
  if (state.variables.length === 5) return 'Exceeded variable count limit (5)';
  state.variables.push(name);
  const rest = text.slice(end + 1);
  if (match === undefined) {
    if (state.textGlobSeen) return 'Implicit variable path glob after text glob.';
    return { pattern: `(${pathGlob})`, rest };
  }
  const pattern = parseVariableMatch(match, state);
  return typeof pattern === 'string' ? pattern : { pattern: `(${pattern.pattern})`, rest };
}

function parseVariableMatch(match: string, state: State): Parsed | string {
  if (match === '') return 'Empty variable match';
  const patterns: string[] = [];
  for (const part of match.split('/')) {
    const parsed = part[0] === '*' ? parseGlob(part, state) : parseLiteral(part);
    if (typeof parsed === 'string') return parsed;
    if (parsed.rest !== '') return 'Invalid variable match';
    patterns.push(parsed.pattern);
  }
  return { pattern: patterns.join('/'), rest: '' };
}

function escapeRe2(text: string): string {
  return text.replace(/[$()+.]/g, '\\$&');
}

/** Finds the method of a request by HTTP method and path, and what path and query say of its message. */
import { anySegments, oneSegment, type PathTemplate, type Place } from './path_template.ts';
import { everyCharacter, type Unescape, unescapeUrl } from './url_unescape.ts';

/** A value for a field of the request message, by field names. */
export interface Binding {
  readonly path: readonly string[];
  readonly value: string;
}

export interface PathRule<T> {
  readonly template: PathTemplate;
  readonly target: T;
  readonly body: string;
}

export interface PathMatch<T> {
  readonly rule: PathRule<T>;
  readonly bindings: readonly Binding[];
}

export interface MatcherOptions {
  /** What is unescaped in variables of several segments. */
  readonly unescape: Unescape;
  /** `+` in a query stands for a blank. */
  readonly unescapePlus: boolean;
  /** A verb that no template has ends a path like any other text. */
  readonly matchUnregisteredVerb: boolean;
  readonly ignoredParameters: ReadonlySet<string>;
}

class Node<T> {
  readonly children = new Map<string, Node<T>>();
  readonly rules = new Map<string, PathRule<T>>();
}

export class PathMatcher<T> {
  private readonly root = new Node<T>();
  private readonly verbs = new Set<string>();
  private readonly options: MatcherOptions;

  constructor(options: MatcherOptions) {
    this.options = options;
  }

  /** False when the place is taken already. */
  add(method: string, rule: PathRule<T>): boolean {
    const { segments, verb } = rule.template;
    let node = this.root;
    for (const segment of segments) {
      let child = node.children.get(segment);
      if (child === undefined) {
        child = new Node();
        node.children.set(segment, child);
      }
      node = child;
    }
    const key = ruleKey(method, verb);
    if (node.rules.has(key)) return false;
    node.rules.set(key, rule);
    if (verb !== '') this.verbs.add(verb);
    return true;
  }

  find(method: string, target: string): PathMatch<T> | undefined {
    const query = target.indexOf('?');
    const path = query < 0 ? target : target.slice(0, query);
    const { parts, verb } = this.split(path);
    const rule = lookUp(this.root, parts, 0, ruleKey(method, verb));
    if (rule === undefined) return undefined;
    const bindings = this.fromPath(rule.template, parts);
    if (query >= 0) this.addQuery(target.slice(query + 1), bindings);
    return { rule, bindings };
  }

  private split(path: string): { parts: string[]; verb: string } {
    const colon = path.lastIndexOf(':');
    const last = path.lastIndexOf('/');
    let verb = '';
    if (colon > last) {
      const candidate = path.slice(colon + 1);
      if (this.verbs.has(candidate) || this.options.matchUnregisteredVerb) {
        verb = candidate;
        path = path.slice(0, colon);
      }
    }
    const parts = path.slice(path.startsWith('/') ? 1 : 0).split('/');
    while (parts.length > 0 && parts[parts.length - 1] === '') parts.pop();
    return { parts, verb };
  }

  private fromPath(template: PathTemplate, parts: readonly string[]): Binding[] {
    return template.variables.map(({ fieldPath, start, end, deep }) => {
      const taken = parts.slice(indexOf(start, parts), indexOf(end, parts));
      const unescape = taken.length > 1 || deep ? this.options.unescape : everyCharacter;
      return { path: fieldPath, value: taken.map((part) => unescapeUrl(part, unescape, false)).join('/') };
    });
  }

  private addQuery(query: string, bindings: Binding[]): void {
    for (const parameter of query.split('&')) {
      const equals = parameter.indexOf('=');
      if (equals <= 0) continue;
      const name = parameter.slice(0, equals);
      if (this.options.ignoredParameters.has(name)) continue;
      const value = unescapeUrl(parameter.slice(equals + 1), everyCharacter, this.options.unescapePlus);
      bindings.push({ path: name.split('.'), value });
    }
  }
}

function indexOf({ fromEnd, offset }: Place, parts: readonly string[]): number {
  return fromEnd ? parts.length - offset : offset;
}

function ruleKey(method: string, verb: string): string {
  return `${method} ${verb}`;
}

/** A literal is tried before `*`, and that before `**`; what leads nowhere is given up. */
function lookUp<T>(node: Node<T>, parts: readonly string[], at: number, key: string): PathRule<T> | undefined {
  if (at === parts.length) return node.rules.get(key) ?? lookUpDeep(node, parts, at, key);
  const literal = node.children.get(parts[at]);
  const byLiteral = literal === undefined ? undefined : lookUp(literal, parts, at + 1, key);
  if (byLiteral !== undefined) return byLiteral;
  const one = node.children.get(oneSegment);
  const byOne = one === undefined ? undefined : lookUp(one, parts, at + 1, key);
  return byOne ?? lookUpDeep(node, parts, at, key);
}

/** `**` takes as little as lets the rest match. */
function lookUpDeep<T>(node: Node<T>, parts: readonly string[], at: number, key: string): PathRule<T> | undefined {
  const deep = node.children.get(anySegments);
  if (deep === undefined) return undefined;
  if (deep.children.size === 0) return deep.rules.get(key);
  for (let next = at; next <= parts.length; next++) {
    const found = lookUp(deep, parts, next, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

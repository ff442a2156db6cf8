/** Step 7 of the data path: finds the first route of a virtual host whose path matches, by one walk down a radix tree. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { PathMatch, RouteMatch } from './route_match.ts';
import type { RouteTarget } from './route_target.ts';

/** A route in its list: `index` is its place, and the first one that matches wins. */
export interface RouteEntry {
  readonly index: number;
  readonly match: RouteMatch;
  readonly target: RouteTarget;
}

const slash = 47;

class Node {
  /** What the path has between the parent and here. */
  label: string;
  children: Map<number, Node> | undefined;
  prefix: RouteEntry[] = [];
  exact: RouteEntry[] = [];
  separatedPrefix: RouteEntry[] = [];

  constructor(label: string) {
    this.label = label;
  }
}

/** Routes by exact path and prefix; those with neither are asked one by one, as far as they come before the best found. */
export class PathIndex {
  private readonly sensitive = new Node('');
  private readonly insensitive = new Node('');
  private readonly residual: RouteEntry[] = [];
  private hasInsensitive = false;

  /** Entries come in the order of their indices. */
  add(entry: RouteEntry): void {
    const { path } = entry.match;
    if (path.kind === 'regex' || path.kind === 'connect') {
      this.residual.push(entry);
      return;
    }
    if (!path.caseSensitive) this.hasInsensitive = true;
    const root = path.caseSensitive ? this.sensitive : this.insensitive;
    insert(root, path.caseSensitive ? path.text : path.text.toLowerCase())[path.kind].push(entry);
  }

  /** `end`: where the path ends and its query begins. */
  find(head: RequestHead, end: number, random: number, info: StreamInfo | undefined): RouteEntry | undefined {
    const { path } = head;
    let best: RouteEntry | undefined;
    if (path !== '') {
      best = walk(this.sensitive, path, end, head, random, info, undefined);
      if (this.hasInsensitive) best = walk(this.insensitive, path.toLowerCase(), end, head, random, info, best);
    }
    return this.residual.length === 0 ? best : this.findResidual(head, end, random, info, best);
  }

  private findResidual(
    head: RequestHead,
    end: number,
    random: number,
    info: StreamInfo | undefined,
    best: RouteEntry | undefined,
  ): RouteEntry | undefined {
    const { path } = head;
    const pathOnly = end === path.length ? path : path.slice(0, end);
    for (const entry of this.residual) {
      if (best !== undefined && entry.index > best.index) return best;
      if (matchesWhole(entry.match.path, head, pathOnly) && entry.match.conditionsMatch(head, random, info))
        return entry;
    }
    return best;
  }
}

function matchesWhole(path: PathMatch, head: RequestHead, pathOnly: string): boolean {
  if (path.kind === 'connect') return head.method === 'CONNECT';
  return path.kind === 'regex' && head.path !== '' && path.regex.fullMatch(pathOnly);
}

/** Returns the first matching entry of the tree or `best`, whichever comes first in the list. */
function walk(
  root: Node,
  path: string,
  end: number,
  head: RequestHead,
  random: number,
  info: StreamInfo | undefined,
  best: RouteEntry | undefined,
): RouteEntry | undefined {
  let node = root;
  let at = 0;
  let found = best;
  for (;;) {
    if (node.prefix.length !== 0) found = first(node.prefix, head, random, info, found);
    if (node.separatedPrefix.length !== 0 && (at === end || path.charCodeAt(at) === slash)) {
      found = first(node.separatedPrefix, head, random, info, found);
    }
    if (at === end) return node.exact.length === 0 ? found : first(node.exact, head, random, info, found);
    const child = node.children?.get(path.charCodeAt(at));
    if (child === undefined) return found;
    const { label } = child;
    const next = at + label.length;
    if (next > end) return found;
    for (let i = at + 1; i < next; i++) if (path.charCodeAt(i) !== label.charCodeAt(i - at)) return found;
    node = child;
    at = next;
  }
}

function first(
  entries: readonly RouteEntry[],
  head: RequestHead,
  random: number,
  info: StreamInfo | undefined,
  best: RouteEntry | undefined,
): RouteEntry | undefined {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (best !== undefined && entry.index > best.index) return best;
    if (entry.match.conditionsMatch(head, random, info)) return entry;
  }
  return best;
}

/** The node at the end of `text`, made when it is missing. */
function insert(root: Node, text: string): Node {
  let node = root;
  let rest = text;
  while (rest !== '') {
    node.children ??= new Map();
    let child = node.children.get(rest.charCodeAt(0));
    if (child === undefined) {
      child = new Node(rest);
      node.children.set(rest.charCodeAt(0), child);
      return child;
    }
    const shared = sharedLength(child.label, rest);
    if (shared < child.label.length) child = split(node, child, shared);
    node = child;
    rest = rest.slice(shared);
  }
  return node;
}

/** Puts a node between `parent` and `child`, after the first `length` chars of the child's label. */
function split(parent: Node, child: Node, length: number): Node {
  const middle = new Node(child.label.slice(0, length));
  child.label = child.label.slice(length);
  middle.children = new Map([[child.label.charCodeAt(0), child]]);
  parent.children!.set(middle.label.charCodeAt(0), middle);
  return middle;
}

function sharedLength(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

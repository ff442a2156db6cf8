/**
 * Reads YAML or JSON into a source tree by Envoy's rules (control path, step 1). Envoy reads YAML with yaml-cpp and guesses
 * scalars without a schema: 1.1 booleans, integers in C notation, everything else text. Probed on Envoy 1.40.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { joinFlowLines } from './flow_lines.ts';
import type { Report } from './report.ts';
import type { SourceText, Span } from './source_text.ts';
import type { MapEntry, SourceNode } from './source_tree.ts';

/** Envoy refuses deeper messages (protobuf's recursion limit). */
const maxDepth = 100;
/** Values that aliases may stand for in all: aliases of aliases grow without bound. */
const maxAliased = 500_000;

/** Undefined when the text is no YAML (reported) or empty. `json`: plain scalars are JSON's, numbers with a fraction too. */
export function readYaml(source: SourceText, report: Report, json = false): SourceNode | undefined {
  const document = parse(source.text);
  let broken = false;
  let brokenLine = 0;
  for (const error of document.errors) {
    const at = { source, start: error.pos[0], end: error.pos[1] };
    if (error.code === 'MULTIPLE_DOCS') {
      report.warn(at, '', 'only the first YAML document is read, the rest is ignored, as Envoy does');
    } else {
      broken = true;
      // What follows a broken place in the same line is mostly its echo.
      const { line } = source.position(error.pos[0]);
      if (line === brokenLine) continue;
      brokenLine = line;
      report.error(at, '', `not valid ${json ? 'JSON' : 'YAML'}: ${wordsOf(error.message)}`);
    }
  }
  if (broken || document.contents === null) return undefined;
  return new TreeReader(source, document, report, json).read(document.contents as Node, 0);
}

/** Indentation is no matter in flow collections: what the parser says of it means that they do not end. */
function wordsOf(message: string): string {
  const [, kind, end] = /^Flow (map|sequence) .*must.* end with a (.)/s.exec(message) ?? [];
  if (end === undefined) return message.replace(/\s+/g, ' ');
  return `the ${kind === 'map' ? 'map' : 'list'} is not closed: '${end}' is missing before this`;
}

/** Where only the indentation of flow collections is wrong, they are read without: as Envoy does. */
function parse(text: string): Document {
  const document = parseAsIs(text);
  if (!document.errors.some(({ code }) => code === 'BAD_INDENT')) return document;
  const joined = parseAsIs(joinFlowLines(text));
  return joined.errors.every(({ code }) => code === 'MULTIPLE_DOCS') ? joined : document;
}

function parseAsIs(text: string): Document {
  return parseDocument(text, {
    schema: 'failsafe',
    uniqueKeys: false,
    merge: false,
    keepSourceTokens: false,
    prettyErrors: false,
    logLevel: 'error',
    stringKeys: false,
  });
}

class TreeReader {
  readonly #source: SourceText;
  readonly #document: Document;
  readonly #report: Report;
  readonly #json: boolean;
  #aliased = 0;
  #inAlias = false;
  #tooDeep = false;

  constructor(source: SourceText, document: Document, report: Report, json: boolean) {
    this.#json = json;
    this.#source = source;
    this.#document = document;
    this.#report = report;
  }

  read(node: Node | null, depth: number): SourceNode {
    if ((this.#inAlias && ++this.#aliased > maxAliased) || depth > maxDepth) return this.#refuse(node, depth);
    if (isAlias(node)) return this.#alias(node, depth);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item as Node | null, depth + 1));
      return { kind: 'list', items, ...this.#span(node) };
    }
    return { kind: 'scalar', value: isScalar(node) ? this.#scalar(node) : null, ...this.#span(node) };
  }

  #scalar(node: Scalar): string | number | boolean | null {
    const value = scalarValue(node);
    if (typeof value === 'string' && !value.isWellFormed()) {
      this.#report.error(this.#span(node), '', 'not valid YAML: half of a surrogate pair is no character');
    }
    if (!this.#json || node.type !== 'PLAIN' || typeof value !== 'string' || !jsonNumber.test(value)) return value;
    // Whole numbers that are not exact travel as text.
    return /^-?\d+$/.test(value) && !Number.isSafeInteger(Number(value)) ? value : Number(value);
  }

  #map(node: YAMLMap, depth: number): SourceNode {
    const entries: MapEntry[] = [];
    const seen = new Map<string, Span>();
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const keyNode = isAlias(pair.key) ? (pair.key.resolve(this.#document) ?? pair.key) : pair.key;
      // Envoy drops pairs with this tag on the key: a place for YAML anchors.
      if (keyNode.tag === '!ignore') continue;
      const keyAt = this.#span(pair.key);
      const key = isScalar(keyNode) ? String(keyNode.source ?? keyNode.value ?? '') : '';
      const earlier = seen.get(key);
      if (earlier !== undefined) {
        const { line } = earlier.source.position(earlier.start);
        this.#report.warn(
          keyAt,
          '',
          `'${key}' is given twice in this map: this one wins over line ${line}, as in Envoy`,
        );
      }
      seen.set(key, keyAt);
      const value =
        pair.value === null ? { kind: 'scalar' as const, value: null, ...keyAt } : this.read(pair.value, depth + 1);
      entries.push({ key, keyAt, value });
    }
    return { kind: 'map', entries, ...this.#span(node) };
  }

  #alias(node: Alias, depth: number): SourceNode {
    const target = node.resolve(this.#document);
    if (target === undefined) {
      this.#report.error(this.#span(node), '', `not valid YAML: there is no anchor '&${node.source}' before this`);
    }
    const outer = this.#inAlias;
    this.#inAlias = true;
    const value = this.read(target ?? null, depth + 1);
    this.#inAlias = outer;
    return value;
  }

  #refuse(node: Node | null, depth: number): SourceNode {
    const at = this.#span(node);
    if (!this.#tooDeep) {
      const reason =
        depth > maxDepth ? `nested deeper than ${maxDepth} levels` : 'too many values by aliases of aliases';
      this.#report.error(at, '', reason);
    }
    this.#tooDeep = true;
    return { kind: 'scalar', value: null, ...at };
  }

  #span(node: Node | null): Span {
    const range = node?.range;
    return { source: this.#source, start: range?.[0] ?? 0, end: range?.[1] ?? 0 };
  }
}

const jsonNumber = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

const nulls = new Set(['', '~', 'null', 'Null', 'NULL']);
/** yaml-cpp: lower, upper or capitalised. */
const trues = /^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const falses = /^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
/** What C's `%i` takes: decimal, 0x hexadecimal, 0 octal; `08` is text. */
const integer = /^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;

/** Quoted and block scalars are text unless a tag says otherwise, plain ones with the tag `!` too: as yaml-cpp's tags have it. */
function scalarValue(node: Scalar): string | number | boolean | null {
  const isText = node.tag === undefined ? node.type !== 'PLAIN' : node.tag === '!';
  return isText ? String(node.value ?? '') : plainScalarValue(node.source ?? String(node.value ?? ''));
}

/** What a scalar without quotes means. */
export function plainScalarValue(text: string): string | number | boolean | null {
  if (nulls.has(text)) return null;
  if (trues.test(text)) return true;
  if (falses.test(text)) return false;
  if (!integer.test(text)) return text;
  const value = integerValue(text);
  if (value < -(2n ** 63n) || value >= 2n ** 63n) return text;
  // Envoy keeps only 32-bit integers as numbers; larger ones travel as text, which strings then accept.
  return value >= -2147483648n && value <= 2147483647n ? Number(value) : String(value);
}

function integerValue(text: string): bigint {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '');
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return negative ? -value : value;
}

/** Reads protobuf's text format into the tree that JSON of the same message gives (control path, step 1), along its descriptor. */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { findMessageType, typeNameOf } from '../api/registry.ts';
import type { Report } from './report.ts';
import type { SourceText, Span } from './source_text.ts';
import type { MapEntry, MapNode, SourceNode } from './source_tree.ts';
import { didYouMean } from './suggest.ts';
import { TextScanner, TextSyntaxError, type Token } from './text_format_scanner.ts';
import { textWellKnown } from './text_well_known.ts';

/** As for YAML: Envoy refuses deeper messages. */
const maxDepth = 100;

/** Undefined when the text is wrong (reported) or empty. */
export function readTextFormat(source: SourceText, type: DescMessage, report: Report): SourceNode | undefined {
  try {
    const reader = new TextReader(new TextScanner(source), report);
    const tree = reader.message(type, undefined, source);
    return tree.entries.length === 0 ? undefined : tree;
  } catch (error) {
    if (!(error instanceof TextSyntaxError)) throw error;
    report.error(error.at, '', `not valid protobuf text: ${error.message}`);
    return undefined;
  }
}

class TextReader {
  readonly #scanner: TextScanner;
  readonly #report: Report;
  #depth = 0;

  constructor(scanner: TextScanner, report: Report) {
    this.#scanner = scanner;
    this.#report = report;
  }

  /** The fields up to `end`, or to the end of the text. An unknown type takes every field as it comes. */
  message(type: DescMessage | undefined, end: string | undefined, source: SourceText): MapNode {
    const scanner = this.#scanner;
    const first = scanner.peek();
    if (++this.#depth > maxDepth) throw new TextSyntaxError(`nested deeper than ${maxDepth} levels`, first.at);
    const entries: MapEntry[] = [];
    for (;;) {
      const token = scanner.next();
      if (token.kind === 'end' || (token.kind === 'symbol' && token.text === end)) {
        if (token.kind === 'end' && end !== undefined) throw new TextSyntaxError(`'${end}' is missing`, token.at);
        this.#depth--;
        return { kind: 'map', entries, source, start: first.at.start, end: token.at.end };
      }
      if (token.kind === 'symbol' && token.text === '[') entries.push(...this.#any(token));
      else this.#field(token, type, entries);
      scanner.skip(',', ';');
    }
  }

  #field(token: Token, type: DescMessage | undefined, entries: MapEntry[]): void {
    if (token.kind !== 'word') throw new TextSyntaxError(`expected a field's name, got '${token.text}'`, token.at);
    const field = type?.fields.find(
      ({ name, message }) => name === token.text || (message !== undefined && message.name === token.text),
    );
    if (type !== undefined && field === undefined) {
      const hint = didYouMean(
        token.text,
        type.fields.map(({ name }) => name),
      );
      this.#report.error(token.at, token.text, `unknown field '${token.text}' in ${type.typeName}`, hint);
    }
    this.#scanner.skip(':');
    const values = this.#values(field);
    if (type !== undefined && field === undefined) return;
    add(entries, { key: field?.name ?? token.text, keyAt: token.at, value: values[0] }, field, values);
  }

  /** One value, or a list of them in brackets. */
  #values(field: DescField | undefined): SourceNode[] {
    const scanner = this.#scanner;
    if (!isSymbol(scanner.peek(), '[')) return [this.#value(field)];
    scanner.next();
    const values: SourceNode[] = [];
    while (!isSymbol(scanner.peek(), ']')) {
      values.push(this.#value(field));
      if (!isSymbol(scanner.peek(), ']') && !scanner.skip(',')) {
        throw new TextSyntaxError(`expected ',' or ']', got '${scanner.peek().text}'`, scanner.peek().at);
      }
    }
    scanner.next();
    return values;
  }

  #value(field: DescField | undefined): SourceNode {
    const token = this.#scanner.next();
    if (isSymbol(token, '{') || isSymbol(token, '<')) {
      const end = token.text === '{' ? '}' : '>';
      if (field?.fieldKind === 'map') return this.#mapEntry(field, end, token);
      const content = this.message(field?.message, end, token.at.source);
      return textWellKnown(field?.message?.typeName, { ...content, start: token.at.start });
    }
    return this.#scalar(token, field);
  }

  /** `{ key: "a" value: … }` of a map field. */
  #mapEntry(field: DescField & { fieldKind: 'map' }, end: string, at: Token): MapNode {
    const scanner = this.#scanner;
    let key: Token | undefined;
    let value: SourceNode | undefined;
    for (;;) {
      const token = scanner.next();
      if (isSymbol(token, end)) break;
      if (token.text !== 'key' && token.text !== 'value') {
        throw new TextSyntaxError(`expected 'key' or 'value', got '${token.text}'`, token.at);
      }
      scanner.skip(':');
      if (token.text === 'key') key = scanner.next();
      else value = this.#mapValue(field);
      scanner.skip(',', ';');
    }
    const none: SourceNode = { kind: 'scalar', value: null, ...at.at };
    return {
      kind: 'map',
      entries: [{ key: key?.text ?? '', keyAt: key?.at ?? at.at, value: value ?? none }],
      ...at.at,
    };
  }

  #mapValue(field: DescField & { fieldKind: 'map' }): SourceNode {
    const token = this.#scanner.next();
    if (!isSymbol(token, '{') && !isSymbol(token, '<')) return this.#scalar(token, field);
    const end = token.text === '{' ? '}' : '>';
    return textWellKnown(field.message?.typeName, this.message(field.message, end, token.at.source));
  }

  #scalar(token: Token, field: DescField | undefined): SourceNode {
    if (token.kind === 'symbol' || token.kind === 'end') {
      throw new TextSyntaxError(`expected a value, got '${token.text}'`, token.at);
    }
    if (token.kind === 'string') {
      const isBytes = field !== undefined && field.message === undefined && field.scalar === ScalarType.BYTES;
      // Escapes of a string are bytes, which together are UTF-8.
      const value = isBytes ? token.bytes!.toString('base64') : token.bytes!.toString('utf8');
      return { kind: 'scalar', value, ...token.at };
    }
    if (token.text === 'true' || token.text === 'false') {
      return { kind: 'scalar', value: token.text === 'true', ...token.at };
    }
    const plain = token.kind === 'number' ? token.text.replace(/(?<=^-?[\d.]+(?:e[+-]?\d+)?)f$/i, '') : token.text;
    const isBool = field?.scalar === ScalarType.BOOL || field?.message?.typeName === 'google.protobuf.BoolValue';
    if (isBool && (plain === '0' || plain === '1')) return { kind: 'scalar', value: plain === '1', ...token.at };
    const number = Number(plain.replace(/^(-?)0([0-7]+)$/, '$10o$2'));
    const exact = token.kind === 'number' && Number.isSafeInteger(number);
    return { kind: 'scalar', value: exact ? number : plain, ...token.at };
  }

  /** `[type.googleapis.com/package.Message] { … }`: the contents of an Any. */
  #any(open: Token): MapEntry[] {
    const scanner = this.#scanner;
    const url = scanner.typeUrl();
    const type = findMessageType(typeNameOf(url.text));
    scanner.skip(':');
    const token = scanner.next();
    if (!isSymbol(token, '{') && !isSymbol(token, '<')) {
      throw new TextSyntaxError(`expected '{', got '${token.text}'`, token.at);
    }
    const content = this.message(type, token.text === '{' ? '}' : '>', token.at.source);
    const value = textWellKnown(type?.typeName, content);
    const at: Span = { ...open.at, end: url.at.end };
    const typeEntry: MapEntry = { key: '@type', keyAt: at, value: { kind: 'scalar', value: url.text, ...url.at } };
    if (value === content) return [typeEntry, ...content.entries];
    return [typeEntry, { key: 'value', keyAt: at, value }];
  }
}

/** Repeated fields are repeated in the text, and one list in the tree; entries of a map field are one map. */
function add(entries: MapEntry[], entry: MapEntry, field: DescField | undefined, values: SourceNode[]): void {
  const index = entries.findIndex(({ key }) => key === entry.key);
  const earlier = entries[index];
  if (field?.fieldKind === 'list') {
    const items = earlier?.value.kind === 'list' ? [...earlier.value.items, ...values] : values;
    const list: MapEntry = { ...(earlier ?? entry), value: { kind: 'list', items, ...(earlier ?? entry).keyAt } };
    if (index === -1) entries.push(list);
    else entries[index] = list;
  } else if (field?.fieldKind === 'map') {
    const inner = values.flatMap((value) => (value.kind === 'map' ? value.entries : []));
    const all = earlier?.value.kind === 'map' ? [...earlier.value.entries, ...inner] : inner;
    const map: MapEntry = { ...(earlier ?? entry), value: { kind: 'map', entries: all, ...entry.keyAt } };
    if (index === -1) entries.push(map);
    else entries[index] = map;
  } else {
    // Protobuf's reader refuses it too, but does not say why.
    if (earlier !== undefined) throw new TextSyntaxError(`'${entry.key}' is given twice`, entry.keyAt);
    entries.push(values.length === 1 ? entry : { ...entry, value: { kind: 'list', items: values, ...entry.keyAt } });
  }
}

function isSymbol(token: Token, text: string): boolean {
  return token.kind === 'symbol' && token.text === text;
}

/**
 * Lets flow collections of YAML stand at any indentation (control path, step 1): `[{` … `}]` may end below the key it began at.
 * YAML's specification and the parser ask for more indentation than that, Envoy's yaml-cpp does not care.
 */

/**
 * The text with the line ends between the tokens of flow collections made blanks, as long as it was: every offset holds.
 * What does not look as expected stays as it is; the parser has the last word.
 */
export function joinFlowLines(text: string): string {
  const out: string[] = [];
  let copied = 0;
  let i = 0;
  while (i < text.length) {
    const line = lineAt(text, i);
    const end = line.flow === undefined ? undefined : joinFlow(text, line.flow);
    if (end === undefined) {
      i = line.next;
      continue;
    }
    out.push(text.slice(copied, line.flow), end.joined);
    copied = line.flow! + end.joined.length;
    i = lineEnd(text, copied) + 1;
  }
  return out.join('') + text.slice(copied);
}

interface Line {
  /** Where a flow collection begins. */
  readonly flow: number | undefined;
  /** Where the next line begins that is neither in a block scalar nor in a quoted one of this line. */
  readonly next: number;
}

/** `- `, `? `, tags and anchors. */
const properties = /(?:[ \t]+|-(?=[ \t\n\r])|\?(?=[ \t])|[!&][^ \t\n\r,[\]{}]*)*/y;
/** `key: `, quoted or plain. */
const key = /(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[^\s#[\]{},"'|>][^\n]*?)[ \t]*:(?=[ \t\n\r]|$)/y;

function lineAt(text: string, start: number): Line {
  let at = start + matched(properties, text, start);
  const indent = at - start;
  const keyLength = matched(key, text, at);
  if (keyLength > 0) at += keyLength + matched(properties, text, at + keyLength);
  const first = text[at];
  const next = lineEnd(text, at) + 1;
  if (first === '[' || first === '{') return { flow: at, next };
  if (first === '|' || first === '>')
    return { flow: undefined, next: afterBlock(text, next, keyLength > 0 ? indent : 0) };
  if (first === '"' || first === "'") return { flow: undefined, next: lineEnd(text, afterQuoted(text, at)) + 1 };
  return { flow: undefined, next };
}

/** The lines of a block scalar: blank, or with more indentation than its key. Without a key it is taken line by line. */
function afterBlock(text: string, start: number, indent: number): number {
  let at = start;
  while (at < text.length) {
    const blanks = /^[ ]*/.exec(text.slice(at, at + 200))![0].length;
    const end = lineEnd(text, at);
    if (text.slice(at, end).trim() !== '' && blanks <= indent) break;
    at = end + 1;
  }
  return at;
}

/** From its opening bracket to the one that closes it; undefined when there is none. */
function joinFlow(text: string, start: number): { joined: string } | undefined {
  let depth = 0;
  let joined = '';
  let copied = start;
  /** The last character that is neither blank nor comment. */
  let last = '';
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    if (char === '"' || char === "'") {
      // Quotes open a scalar at its beginning alone: not in it's.
      if (!/[[{,:]/.test(last) && !/\s/.test(text[i - 1])) continue;
      i = afterQuoted(text, i) - 1;
      last = char;
    } else if ((char === '#' && /\s/.test(text[i - 1])) || char === '\n') {
      const end = afterBlanks(text, i);
      // A plain scalar may go on in the next line: its line end means something.
      if (/[[{,:]/.test(last) || /[\]},]/.test(text[end] ?? '')) {
        joined += text.slice(copied, i) + ' '.repeat(end - i);
        copied = end;
      }
      i = end - 1;
    } else {
      if (char === '[' || char === '{') depth++;
      if (char === ']' || char === '}') depth--;
      if (depth === 0) return { joined: joined + text.slice(copied, i + 1) };
      if (!/\s/.test(char)) last = char;
    }
  }
  return undefined;
}

/** Behind blanks, line ends and comments. */
function afterBlanks(text: string, start: number): number {
  let at = start;
  for (;;) {
    while (at < text.length && /\s/.test(text[at])) at++;
    if (text[at] !== '#') return at;
    at = lineEnd(text, at);
  }
}

/** Behind the closing quote, or the end of the text. */
function afterQuoted(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += quote === '"' && text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
}

function matched(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

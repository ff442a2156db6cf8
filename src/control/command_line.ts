/** Reads argv as Envoy's TCLAP does (delimiter a blank), with its texts; `--flag=value`, which Envoy refuses, is also taken. */
import { FLAGS, type Flag, OWN_FLAGS } from './option_flags.ts';

/** What argv said: `name` → text, number, list or true; flags not given are absent. */
export type FlagValues = ReadonlyMap<string, string | number | boolean | readonly string[]>;

/** Values, or which of the flags that end the program at once came first, or Envoy's text of what is wrong. */
export type CommandLine =
  | { readonly kind: 'values'; readonly values: FlagValues }
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'error'; readonly argument: string; readonly problem: string };

const BY_FORM = new Map<string, Flag>();
for (const flag of [...OWN_FLAGS, ...FLAGS]) {
  BY_FORM.set('--' + flag.name, flag);
  if (flag.short !== '') BY_FORM.set('-' + flag.short, flag);
}

/** How TCLAP names a flag in its complaints: `-c (--config-path)`. */
function flagId(flag: Flag): string {
  return `${flag.short === '' ? '' : `-${flag.short} `}(--${flag.name})`;
}

interface Match {
  flag: Flag;
  /** The value in the same element, as in `"--flag value"` or `--flag=value`. */
  inline: string | undefined;
}

function matchFlag(element: string): Match | undefined {
  const whole = BY_FORM.get(element);
  if (whole !== undefined) return { flag: whole, inline: undefined };
  for (const delimiter of [' ', '=']) {
    const at = element.indexOf(delimiter);
    if (at <= 1) continue;
    const flag = BY_FORM.get(element.slice(0, at));
    if (flag === undefined || flag.kind === 'switch') continue;
    const inline = element.slice(at + 1);
    // As in TCLAP an empty rest after the blank means the value is the next element.
    return { flag, inline: inline === '' && delimiter === ' ' ? undefined : inline };
  }
  return undefined;
}

/** Parses the elements after the program's name. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const values = new Map<string, string | number | boolean | readonly string[]>();
  for (let i = 0; i < argv.length; i++) {
    const element = argv[i];
    if (element === '' || element === '-') continue;
    const match = matchFlag(element);
    if (match === undefined) {
      // Switches with a letter can be joined (-xh); the only one there is asks for help.
      if (/^-[^- ]*h[^ ]*$/.test(element)) return { kind: 'help' };
      return { kind: 'error', argument: element, problem: "Couldn't find match for argument" };
    }
    const { flag } = match;
    if (flag.name === 'ignore_rest') break;
    if (flag.name === 'help' || flag.name === 'version') return { kind: flag.name };
    const error = (problem: string): CommandLine => ({ kind: 'error', argument: flagId(flag), problem });
    if (flag.kind !== 'strings' && values.has(flag.name)) return error('Argument already set!');
    if (flag.kind === 'switch') {
      values.set(flag.name, true);
      continue;
    }
    const text = match.inline ?? argv[++i];
    if (text === undefined) return error('Missing a value for this argument!');
    if (flag.kind === 'string') values.set(flag.name, text);
    else if (flag.kind === 'strings') values.set(flag.name, [...((values.get(flag.name) as string[]) ?? []), text]);
    else if (text !== '') {
      const number = readUint32(text);
      if (typeof number === 'string') return error(number);
      values.set(flag.name, number);
    }
  }
  return { kind: 'values', values };
}

/** A number as C++ streams read an uint32_t: blanks before it, a sign, and negative numbers wrap. */
function readUint32(text: string): number | string {
  if (/^\s*[+-]?\d+(\s+[+-]?\d+)+$/.test(text)) return `More than one valid value parsed from string '${text}'`;
  const value = /^\s*[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Math.abs(value) <= 0xffff_ffff ? value >>> 0 : `Couldn't read argument value from string '${text}'`;
}

/** Breaks a text as TCLAP does: 75 columns, behind blanks, commas and bars; later lines of it `hanging` further in. */
function wrap(text: string, indent: number, hanging: number): string {
  const width = 75;
  if (text.length + indent <= width) return ' '.repeat(indent) + text + '\n';
  let out = '';
  let allowed = width - indent;
  let margin = indent;
  for (let start = 0; start < text.length; ) {
    let length = Math.min(text.length - start, allowed);
    if (length === allowed) while (length >= 0 && !' ,|'.includes(text[start + length] ?? '\0')) length--;
    if (length <= 0) length = allowed;
    const newline = text.slice(start, start + length).indexOf('\n');
    if (newline !== -1) length = newline + 1;
    out += ' '.repeat(margin) + text.slice(start, start + length) + '\n';
    if (start === 0) {
      margin += hanging;
      allowed -= hanging;
    }
    while (text[start + length] === ' ') start++;
    start += length;
  }
  return out;
}

const valueId = (flag: Flag): string =>
  flag.kind === 'switch' ? '' : flag.kind === 'uint32' ? ' <uint32_t>' : ' <string>';

function shortUsage(program: string): string {
  let line = program + ' ';
  for (const flag of FLAGS) {
    const form = flag.short === '' ? '--' + flag.name : '-' + flag.short;
    line += ` [${form}${valueId(flag)}]${flag.kind === 'strings' ? ' ...' : ''}`;
  }
  return wrap(line, 3, program.length + 2);
}

/** The text of `--help`; `own` come before Envoy's flags. */
export function helpText(program: string, own: readonly Flag[] = []): string {
  let out = `\nUSAGE: \n\n${shortUsage(program)}\n\nWhere: \n\n`;
  for (const flag of [...own, ...FLAGS]) {
    const short = flag.short === '' ? '' : `-${flag.short}${valueId(flag)},  `;
    const many = flag.kind === 'strings' ? '  (accepted multiple times)' : '';
    out += wrap(`${short}--${flag.name}${valueId(flag)}${many}`, 3, 3) + wrap(flag.help, 5, 0) + '\n';
  }
  return `${out}\n${wrap(program, 3, 0)}\n`;
}

/** What goes to stderr when argv cannot be read. */
export function parseErrorText(program: string, argument: string, problem: string): string {
  return (
    `PARSE ERROR: Argument: ${argument}\n             ${problem}\n\n` +
    `Brief USAGE: \n${shortUsage(program)}\n` +
    `For complete USAGE and HELP type: \n   ${program} --help\n\n${argument} -- ${problem}\n`
  );
}

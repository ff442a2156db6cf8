/** The errors of re2js in the words of RE2, as Envoy prints them at start-up and in a NACK. */

const words: readonly (readonly [string, string])[] = [
  ['missing closing )', 'missing )'],
  ['missing closing ]', 'missing ]'],
  ['invalid nested repetition operator', 'bad repetition operator'],
  ['invalid or unsupported Perl syntax', 'invalid perl operator'],
  ['invalid named capture', 'invalid named capture group'],
  ['missing argument to repetition operator', 'no argument for repetition operator'],
  ['invalid repeat count', 'invalid repetition size'],
  ['trailing backslash at end of expression', 'trailing \\'],
];

/** RE2 shows the whole pattern with these, even where re2js got an expanded one. */
const showsPattern = new Set(['missing )', 'unexpected )']);

/** From `error parsing regexp: <words>: \`<excerpt>\`` to `<RE2's words>: <excerpt>`. */
export function re2Error(message: string, pattern: string): string {
  const [, text, excerpt] = /^error parsing regexp: (.*?)(?:: `([\s\S]*)`)?$/.exec(message) ?? ['', message, undefined];
  const code = words.find(([from]) => from === text)?.[1] ?? text;
  if (showsPattern.has(code)) return `${code}: ${pattern}`;
  return excerpt === undefined ? code : `${code}: ${excerpt}`;
}

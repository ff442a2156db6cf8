/** Query parameters that are RE2 expressions: linear time whatever is asked for, and RE2's own error texts. */
import { RE2JS, RE2JSSyntaxException } from 're2js';

export type Matcher = (text: string) => boolean;

/** The texts of the C++ library, which Envoy shows, where they differ from those of re2js. */
const re2Texts: ReadonlyMap<string, string> = new Map([
  ['missing argument to repetition operator', 'no argument for repetition operator'],
  ['invalid nested repetition operator', 'bad repetition operator'],
  ['invalid repeat count', 'invalid repetition size'],
  ['missing closing )', 'missing )'],
  ['missing closing ]', 'missing ]'],
  ['trailing backslash at end of expression', 'trailing \\'],
  ['invalid named capture', 'invalid named capture group'],
]);

/** A matcher of the expression, or what is wrong with it. `whole`: all of a text must match. */
export function compileRegex(source: string, whole: boolean): Matcher | { readonly error: string } {
  try {
    const compiled = RE2JS.compile(source);
    return whole ? (text) => compiled.matches(text) : (text) => compiled.matcher(text).find();
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    const what = re2Texts.get(error.error) ?? error.error;
    return { error: error.input === null ? what : `${what}: ${error.input}` };
  }
}

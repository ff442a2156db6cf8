/** Diagnostics as text: `file:line:column: error: reason`, the source line with a caret, the field's path, a suggestion. */
import type { Diagnostic } from './diagnostic.ts';

/** Longest piece of a source line that is shown. */
const maxWidth = 160;

/** `colors` for a terminal. Ends without a line feed. */
export function renderDiagnostic(diagnostic: Diagnostic, colors = false): string {
  const { file, line, column, severity, reason, path, hint } = diagnostic;
  const paint = painter(colors);
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  const head = `${place === '' ? '' : `${paint('1', place)}: `}${paint(severity === 'error' ? '1;31' : '1;33', severity)}: ${reason}`;
  const lines = [head];
  if (line > 0 && diagnostic.sourceLine !== '') lines.push(...excerpt(diagnostic, paint));
  if (path !== '') lines.push(`  at ${path}`);
  if (hint !== undefined) lines.push(`  ${paint('36', hint)}`);
  return lines.join('\n');
}

/** All of them, a blank line between those of more than one line, errors after warnings so that they are what is left on the screen. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], colors = false): string {
  const sorted = [...diagnostics].sort((a, b) => Number(a.severity === 'error') - Number(b.severity === 'error'));
  let text = '';
  let earlierIsLong = false;
  for (const diagnostic of sorted) {
    const next = renderDiagnostic(diagnostic, colors);
    const isLong = next.includes('\n');
    if (text !== '') text += isLong || earlierIsLong ? '\n\n' : '\n';
    text += next;
    earlierIsLong = isLong;
  }
  return text;
}

function excerpt(diagnostic: Diagnostic, paint: (code: string, text: string) => string): string[] {
  const { sourceLine, column, length, line } = diagnostic;
  // A long line (JSON on one line) is cut around the place.
  const from = sourceLine.length > maxWidth && column - 1 > maxWidth / 2 ? column - 1 - maxWidth / 4 : 0;
  const shown = sourceLine.slice(from, from + maxWidth);
  const before = shown.slice(0, column - 1 - from).replace(/[^\t]/g, ' ');
  const carets = '^'.repeat(Math.max(1, Math.min(length, shown.length - before.length)));
  const gutter = `${line} | `;
  return [`  ${gutter}${shown}`, `  ${' '.repeat(gutter.length - 2)}| ${before}${paint('1;31', carets)}`];
}

function painter(colors: boolean): (code: string, text: string) => string {
  return (code, text) => (colors ? `\x1b[${code}m${text}\x1b[0m` : text);
}

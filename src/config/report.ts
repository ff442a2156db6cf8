/** Collects diagnostics, placing each by the text or by the message and field it speaks of. */
import type { Diagnostic } from './diagnostic.ts';
import type { Origins } from './origins.ts';
import type { Span } from './source_text.ts';

export class Report {
  readonly errors: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  readonly #origins: Origins;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  error(at: Span | undefined, path: string, reason: string, hint?: string): void {
    this.errors.push(diagnostic('error', at, path, reason, hint));
  }

  warn(at: Span | undefined, path: string, reason: string, hint?: string): void {
    this.warnings.push(diagnostic('warning', at, path, reason, hint));
  }

  /** A warning that says all in one line: without an excerpt of the text. */
  note(at: Span, reason: string): void {
    const found = diagnostic('warning', at, '', reason, undefined);
    this.warnings.push({ ...found, sourceLine: '' });
  }

  /** `path` is relative to the message, e.g. `route.cluster` or `domains[1]`; '' is the message itself. */
  errorIn(message: object, path: string, reason: string, hint?: string): void {
    const { at, fullPath } = this.#origins.find(message, path);
    this.error(at, fullPath, reason, hint);
  }

  /** Points at the field's name instead of its value. */
  errorAtField(message: object, field: string, reason: string, hint?: string): void {
    const { at, fullPath } = this.#origins.keyOf(message, field);
    this.error(at, fullPath, reason, hint);
  }

  warnIn(message: object, path: string, reason: string, hint?: string): void {
    const { at, fullPath } = this.#origins.find(message, path);
    this.warn(at, fullPath, reason, hint);
  }
}

function diagnostic(
  severity: Diagnostic['severity'],
  at: Span | undefined,
  path: string,
  given: string,
  hint: string | undefined,
): Diagnostic {
  // A value that is quoted in it may have several lines.
  const reason = given.replace(/\r?\n/g, '\\n');
  if (at === undefined) {
    return { severity, file: '', line: 0, column: 0, length: 0, sourceLine: '', path, reason, hint };
  }
  const { line, column } = at.source.position(at.start);
  const sourceLine = at.source.line(line);
  const length = Math.max(1, Math.min(at.end - at.start, sourceLine.length - column + 1));
  return { severity, file: at.source.name, line, column, length, sourceLine, path, reason, hint };
}

/** What is wrong with a configuration, ready to be shown. */

export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** The file's path as given, `--config-yaml`, or '' when there is no text behind it. */
  readonly file: string;
  /** Counted from 1; 0 when there is no text behind it. */
  readonly line: number;
  readonly column: number;
  /** Columns the caret spans, at least 1, never beyond the line's end. */
  readonly length: number;
  /** The source line, without its end; '' when the reason says it all. */
  readonly sourceLine: string;
  /** Field path from the root, e.g. `static_resources.clusters[0].lb_policy`; '' for the whole file. */
  readonly path: string;
  readonly reason: string;
  /** A suggestion, e.g. `did you mean 'connect_timeout'?` */
  readonly hint: string | undefined;
}

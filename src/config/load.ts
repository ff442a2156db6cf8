/** Control path, steps 1 and 2: configuration files → a canonical v3 bootstrap, or everything that is wrong with them. */
import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, messageType } from '../api/registry.ts';
import { factories } from '../extensions/registry.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import { checkBootstrap } from './check_bootstrap.ts';
import { Converter } from './convert.ts';
import type { Diagnostic } from './diagnostic.ts';
import { ExtensionLookup } from './extension_points.ts';
import { Origins } from './origins.ts';
import { formatOf, readFileTree } from './read_tree.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { rootCauses } from './root_causes.ts';
import { SourceText } from './source_text.ts';
import type { SourceNode } from './source_tree.ts';
import { upgradeTree } from './upgrade/upgrade.ts';

export interface LoadOptions {
  /** `-c`: YAML, JSON or protobuf, as text or binary, by its name and its text; of v1, v2 or v3. */
  readonly path?: string;
  /** `--config-yaml`: merged over the file as protobuf merges: messages field by field, lists appended. */
  readonly yaml?: string;
  /** What counts as an extension; all of nuncio's unless a test says otherwise. */
  readonly factories?: readonly ExtensionFactory[];
}

export interface LoadedBootstrap {
  /** Undefined when there are errors. */
  readonly bootstrap: envoy.config.bootstrap.v3.Bootstrap | undefined;
  readonly warnings: readonly Diagnostic[];
  readonly errors: readonly Diagnostic[];
  /** A diagnostic for a later problem with a field, e.g. a taken port: placed like those of loading. */
  diagnose(severity: Diagnostic['severity'], path: string, reason: string, hint?: string): Diagnostic;
  /** Loads the same sources as they are now. */
  again(): LoadedBootstrap;
}

const bootstrapName = 'envoy.config.bootstrap.v3.Bootstrap';

/** Never throws for what stands in the files, nor for a missing file. */
export function loadBootstrap(options: LoadOptions): LoadedBootstrap {
  const origins = new Origins();
  const report = new Report(origins);
  const extensions = new ExtensionLookup(options.factories ?? factories);
  const converter = new Converter(report, origins, extensions);
  const type = messageType(bootstrapName);
  let message = create(type) as AnyMessage;

  const file = options.path === undefined ? undefined : readFile(options.path, report);
  if (file !== undefined) {
    const path = options.path!;
    if (formatOf(path, file).format === 'binary') message = readBinary(file, path, report) ?? message;
    else convertTree((into) => readFileTree(path, file, type, into), new SourceText(path, ''));
  }
  if (options.yaml !== undefined) {
    const source = new SourceText('--config-yaml', options.yaml);
    convertTree((into) => readYaml(source, into), source);
  }
  if (options.path === undefined && options.yaml === undefined) {
    report.error(undefined, '', 'At least one of --config-path or --config-yaml is required');
  }

  const bootstrap = message as unknown as envoy.config.bootstrap.v3.Bootstrap;
  checkBootstrap(bootstrap, extensions, report, origins);
  return {
    bootstrap: report.errors.length === 0 ? bootstrap : undefined,
    warnings: inOrder(report.warnings),
    errors: inOrder(rootCauses(report.errors)),
    diagnose(severity, path, reason, hint) {
      const later = new Report(origins);
      if (severity === 'error') later.errorIn(message, path, reason, hint);
      else later.warnIn(message, path, reason, hint);
      return [...later.errors, ...later.warnings][0];
    },
    again: () => loadBootstrap(options),
  };

  function convertTree(read: (report: Report) => SourceNode | undefined, source: SourceText): void {
    const errors = report.errors.length;
    const tree = read(report);
    if (tree !== undefined) converter.message(type, upgradeTree(tree, type, report).tree, '', message);
    else if (report.errors.length === errors)
      report.error({ source, start: 0, end: 0 }, '', 'the configuration is empty');
  }
}

/** As they stand in the files, the file before `--config-yaml`. */
function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const files = [...new Set(diagnostics.map((diagnostic) => diagnostic.file))].sort((a, b) => rank(a) - rank(b));
  return [...diagnostics].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

function rank(file: string): number {
  return file === '--config-yaml' ? 1 : 0;
}

function readFile(path: string, report: Report): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code}`;
    report.error(undefined, '', `unable to read file: ${path} ${reason}`);
    return undefined;
  }
}

function readBinary(bytes: Uint8Array, path: string, report: Report): AnyMessage | undefined {
  try {
    return decode(bootstrapName as string, bytes);
  } catch (error) {
    report.error(undefined, '', `${path} is no ${bootstrapName} in protobuf binary: ${(error as Error).message}`);
    return undefined;
  }
}

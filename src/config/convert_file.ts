/** `nuncio convert`: a file of any generation and format → the same configuration as v3 YAML, each change with a comment. */
import { readFileSync } from 'node:fs';
import { toJson } from '@bufbuild/protobuf';
import { decode, messageType, registry } from '../api/registry.ts';
import type { Diagnostic } from './diagnostic.ts';
import { loadBootstrap } from './load.ts';
import { Origins } from './origins.ts';
import { printYaml } from './print_yaml.ts';
import { formatOf, readFileTree } from './read_tree.ts';
import { readYaml } from './read_yaml.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';
import type { SourceNode } from './source_tree.ts';
import { upgradeTree } from './upgrade/upgrade.ts';

export interface ConvertedFile {
  /** Undefined when it cannot be converted: `errors` says why. */
  readonly yaml: string | undefined;
  /** What could not be read or converted. */
  readonly errors: readonly Diagnostic[];
  /** What nuncio itself has against the result: another proxy may take it. */
  readonly objections: readonly Diagnostic[];
}

const bootstrapName = 'envoy.config.bootstrap.v3.Bootstrap';

/** Never throws for what stands in the file, nor for a missing one. */
export function convertFile(path: string): ConvertedFile {
  const report = new Report(new Origins());
  const type = messageType(bootstrapName);
  let tree: SourceNode | undefined;
  try {
    const bytes = readFileSync(path);
    tree =
      formatOf(path, bytes).format === 'binary'
        ? binaryTree(path, bytes, report)
        : readFileTree(path, bytes, type, report);
  } catch (error) {
    report.error(undefined, '', `unable to read file: ${path}: ${(error as Error).message}`);
  }
  if (tree === undefined && report.errors.length === 0) report.error(undefined, '', `${path} is empty`);
  const upgraded = tree === undefined ? undefined : upgradeTree(tree, type, report);
  if (upgraded === undefined || report.errors.length > 0)
    return { yaml: undefined, errors: report.errors, objections: [] };
  const { changes } = upgraded;
  const head = changes.any ? [`Converted from ${path} by nuncio convert.`, ...changes.leftOut()] : [];
  const body = printYaml(upgraded.tree, (entry) => changes.commentOf(entry));
  return {
    yaml: head.map((line) => `# ${line}\n`).join('') + body,
    errors: [],
    objections: loadBootstrap({ path }).errors,
  };
}

function binaryTree(path: string, bytes: Uint8Array, report: Report): SourceNode | undefined {
  const message = decode(bootstrapName as string, bytes);
  const json = toJson(messageType(bootstrapName), message, { registry, useProtoFieldName: true });
  return readYaml(new SourceText(path, JSON.stringify(json)), report, true);
}

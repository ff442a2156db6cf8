/** Reads a file of discovered resources (path_config_source) by the same rules as a bootstrap: every error with its place. */
import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, messageType } from '../api/registry.ts';
import { factories } from '../extensions/registry.ts';
import { Converter } from './convert.ts';
import type { Diagnostic } from './diagnostic.ts';
import { ExtensionLookup } from './extension_points.ts';
import { Origins } from './origins.ts';
import { formatOf, readFileTree } from './read_tree.ts';
import { Report } from './report.ts';
import { upgradeTree } from './upgrade/upgrade.ts';

const responseName = 'envoy.service.discovery.v3.DiscoveryResponse';

export interface ReadResponse {
  /** Undefined when there are errors. */
  readonly response: envoy.service.discovery.v3.DiscoveryResponse | undefined;
  readonly errors: readonly Diagnostic[];
  /** Where each message stands in the file. */
  readonly origins: Origins;
}

/** YAML, JSON or protobuf, as text or binary, by its name and its text; of v2 or v3. Never throws. */
export function readResponseFile(path: string): ReadResponse {
  const origins = new Origins();
  const report = new Report(origins);
  const failed = (reason: string): ReadResponse => {
    report.error(undefined, '', reason);
    return { response: undefined, errors: report.errors, origins };
  };
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return failed(`unable to read file: ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (formatOf(path, bytes).format === 'binary') {
    try {
      return { response: decode(responseName, bytes), errors: [], origins };
    } catch (error) {
      return failed(`${path} is no ${responseName} in protobuf binary: ${(error as Error).message}`);
    }
  }
  const type = messageType(responseName);
  const tree = readFileTree(path, bytes, type, report);
  if (tree === undefined)
    return report.errors.length > 0
      ? { response: undefined, errors: report.errors, origins }
      : failed(`${path} is empty`);
  const message = create(type) as AnyMessage;
  new Converter(report, origins, new ExtensionLookup(factories)).message(
    type,
    upgradeTree(tree, type, report).tree,
    '',
    message,
  );
  const response =
    report.errors.length > 0 ? undefined : (message as unknown as envoy.service.discovery.v3.DiscoveryResponse);
  return { response, errors: report.errors, origins };
}

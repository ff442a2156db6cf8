/** The bytes a DataSource names: written in place, in a file, or in an environment variable (main thread). */
import { readFileSync } from 'node:fs';
import type { envoy } from '../../api/envoy_types.ts';

export type DataSource = envoy.config.core.v3.DataSource;

/** Its bytes, or why there are none. */
export type SourceData = { readonly bytes: Buffer } | { readonly error: string };

export function readDataSource(source: DataSource): SourceData {
  const { specifier } = source;
  switch (specifier.case) {
    case 'inlineBytes':
      return { bytes: Buffer.from(specifier.value) };
    case 'inlineString':
      return { bytes: Buffer.from(specifier.value) };
    case 'environmentVariable': {
      const value = process.env[specifier.value];
      return value === undefined
        ? { error: `Environment variable doesn't exist: ${specifier.value}` }
        : { bytes: Buffer.from(value) };
    }
    case 'filename':
      return readFile(specifier.value);
    default:
      return { error: 'Unexpected DataSource::specifier_case(): 0' };
  }
}

function readFile(path: string): SourceData {
  try {
    return { bytes: readFileSync(path) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { error: `file ${path} does not exist` };
    return { error: code === 'EACCES' ? `unable to read file: ${path}: Permission denied` : message };
  }
}

/** How errors and /certs call it. */
export function sourceName(source: DataSource | undefined): string {
  return source?.specifier.case === 'filename' ? source.specifier.value : '<inline>';
}

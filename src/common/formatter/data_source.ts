/** Reads an envoy.config.core.v3.DataSource when configuration is checked or compiled; it blocks, so never on the data path. */
import { readFileSync } from 'node:fs';
import type { envoy } from '../../api/envoy_types.ts';

/** The text it stands for, or why there is none, in Envoy's words. */
export function readDataSource(source: envoy.config.core.v3.DataSource): { text: string } | { error: string } {
  const { specifier } = source;
  switch (specifier.case) {
    case 'inlineString':
      return { text: specifier.value };
    case 'inlineBytes':
      return { text: Buffer.from(specifier.value).toString('utf8') };
    case 'environmentVariable': {
      const text = process.env[specifier.value];
      return text === undefined ? { error: `Environment variable doesn't exist: ${specifier.value}` } : { text };
    }
    case 'filename':
      try {
        return { text: readFileSync(specifier.value, 'utf8') };
      } catch {
        return { error: `Invalid path: ${specifier.value}` };
      }
    default:
      return { error: 'Unexpected DataSource::specifier_case(): 0' };
  }
}

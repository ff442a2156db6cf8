/** The body of a direct response, read once when its route is compiled. */
import { readFileSync } from 'node:fs';
import type { envoy } from '../api/envoy_types.ts';

/** Throws when the file cannot be read or the body is longer than `maxBytes`; validation refuses both before. */
export function directResponseBody(source: envoy.config.core.v3.DataSource | undefined, maxBytes: number): string {
  if (source === undefined) return '';
  const { specifier } = source;
  switch (specifier.case) {
    case 'inlineString':
      return limited(Buffer.from(specifier.value, 'utf8'), maxBytes);
    case 'inlineBytes':
      return limited(Buffer.from(specifier.value), maxBytes);
    case 'filename':
      return limited(readFileSync(specifier.value), maxBytes);
    case 'environmentVariable':
      return limited(Buffer.from(process.env[specifier.value] ?? '', 'utf8'), maxBytes);
    default:
      return '';
  }
}

function limited(body: Buffer, maxBytes: number): string {
  if (body.length > maxBytes) throw new Error(`response body size is ${body.length} bytes; maximum is ${maxBytes}`);
  return body.toString('utf8');
}

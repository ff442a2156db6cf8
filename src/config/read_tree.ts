/** A configuration file of any format, by its name and its content → a source tree (control path, step 1). */
import type { DescMessage } from '@bufbuild/protobuf';
import { readTextFormat } from './read_text_format.ts';
import { readYaml } from './read_yaml.ts';
import type { Report } from './report.ts';
import { SourceText } from './source_text.ts';
import type { SourceNode } from './source_tree.ts';

type Format = 'yaml' | 'json' | 'text' | 'binary';

const suffixes: readonly (readonly [suffix: string, format: Format])[] = [
  ['.yaml', 'yaml'],
  ['.yml', 'yaml'],
  ['.pb_json', 'json'],
  ['.json', 'json'],
  ['.pb_text', 'text'],
  ['.pb.txt', 'text'],
  ['.pbtxt', 'text'],
  ['.textproto', 'text'],
  ['.pb', 'binary'],
];

/** What a file holds. One with another name is taken by what stands in it; `told` is false then. */
export function formatOf(path: string, bytes: Uint8Array): { readonly format: Format; readonly told: boolean } {
  const named = suffixes.find(([suffix]) => path.endsWith(suffix))?.[1];
  // YAML under a name for JSON is read as what it is.
  if (named !== undefined && (named !== 'json' || looksLikeJson(bytes))) return { format: named, told: true };
  if (bytes.includes(0)) return { format: 'binary', told: false };
  return { format: looksLikeJson(bytes) ? 'json' : 'yaml', told: false };
}

/**
 * A file's tree; undefined when it is not of its format (reported) or empty. `type` is the message it holds. Says so when Envoy
 * would not have taken it for what it is.
 */
export function readFileTree(
  path: string,
  bytes: Uint8Array,
  type: DescMessage,
  report: Report,
): SourceNode | undefined {
  const { format, told } = formatOf(path, bytes);
  const source = new SourceText(
    path,
    Buffer.from(bytes)
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .replace(/\r(?!\n)/g, '\n'),
  );
  if (!told && format === 'yaml' && source.text.trim() !== '') {
    const at = { source, start: 0, end: 0 };
    report.note(at, 'this is read as YAML: Envoy takes a file of this name for JSON, name it .yaml for both');
  }
  return format === 'text' ? readTextFormat(source, type, report) : readYaml(source, report, format === 'json');
}

function looksLikeJson(bytes: Uint8Array): boolean {
  const blank = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf]);
  const first = bytes.find((byte) => !blank.has(byte));
  return first === 0x7b || first === 0x5b;
}

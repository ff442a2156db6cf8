/** Messages that the text format writes by their fields and JSON in a form of its own: Duration, wrappers, Struct (control path, step 1). */
import { isWrapper } from './convert_well_known.ts';
import type { MapEntry, MapNode, SourceNode } from './source_tree.ts';

/** The JSON form; the very same node for any other message. */
export function textWellKnown(typeName: string | undefined, node: MapNode): SourceNode {
  if (typeName === undefined || !typeName.startsWith('google.protobuf.')) return node;
  if (isWrapper(typeName)) return field(node, 'value') ?? { ...node, kind: 'scalar', value: zeroOfWrapper(typeName) };
  switch (typeName) {
    case 'google.protobuf.Any':
      // Packed by hand; its bytes would stand under `value`.
      return { ...node, entries: node.entries.map((e) => (e.key === 'type_url' ? { ...e, key: '@type' } : e)) };
    case 'google.protobuf.Duration':
      return text(node, durationText(node));
    case 'google.protobuf.Timestamp':
      return text(node, timestampText(node));
    case 'google.protobuf.Struct':
      return field(node, 'fields') ?? { ...node, entries: [] };
    case 'google.protobuf.ListValue':
      return field(node, 'values') ?? { ...node, kind: 'list', items: [] };
    case 'google.protobuf.Value':
      return valueOf(node);
    case 'google.protobuf.FieldMask': {
      const paths = field(node, 'paths');
      const names =
        paths?.kind === 'list'
          ? paths.items.map((item) => (item.kind === 'scalar' ? camel(String(item.value)) : ''))
          : [];
      return text(node, names.join(','));
    }
    default:
      return node;
  }
}

/** One of null_value, number_value, string_value, bool_value, struct_value, list_value. */
function valueOf(node: MapNode): SourceNode {
  const entry = node.entries.at(-1);
  if (entry === undefined || entry.key === 'null_value') return { ...node, kind: 'scalar', value: null };
  const { value } = entry;
  const isText = entry.key === 'number_value' && value.kind === 'scalar' && typeof value.value === 'string';
  return isText ? { ...value, value: Number(value.value) } : value;
}

function durationText(node: MapNode): string {
  const seconds = number(node, 'seconds');
  const nanos = number(node, 'nanos');
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  const fraction = nanos === 0 ? '' : `.${String(Math.abs(nanos)).padStart(9, '0')}`;
  return `${sign}${Math.abs(seconds)}${fraction}s`;
}

function timestampText(node: MapNode): string {
  const date = new Date(number(node, 'seconds') * 1000);
  if (Number.isNaN(date.getTime())) return 'beyond the calendar';
  return date.toISOString().replace('.000Z', `.${String(number(node, 'nanos')).padStart(9, '0')}Z`);
}

function zeroOfWrapper(typeName: string): string | number | boolean {
  if (typeName.endsWith('.BoolValue')) return false;
  return /\.(String|Bytes)Value$/.test(typeName) ? '' : 0;
}

function field(node: MapNode, name: string): SourceNode | undefined {
  return node.entries.findLast((entry: MapEntry) => entry.key === name)?.value;
}

function number(node: MapNode, name: string): number {
  const value = field(node, name);
  return value?.kind === 'scalar' ? Number(value.value) : 0;
}

function text(node: MapNode, value: string): SourceNode {
  return { ...node, kind: 'scalar', value };
}

function camel(path: string): string {
  return path.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
}

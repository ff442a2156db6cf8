/** v1's access logs and their filters → v3 (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { list, map, textOf } from '../edit.ts';
import { type Section, sectionsOf } from './section.ts';

export function convertAccessLogs(entry: MapEntry, context: UpgradeContext): SourceNode {
  return list(sectionsOf(entry.value, 'a v1 access log', context).map(convertAccessLog), entry);
}

function convertAccessLog(section: Section): MapNode {
  const path = section.take('path');
  const format = section.take('format');
  const filter = section.section('filter', 'a v1 access log filter');
  if (filter !== undefined) section.out.put('filter', convertFilter(filter), filter.node);
  section.out.put('name', 'envoy.access_loggers.file', path ?? section.node);
  section.out.put('typed_config', fileLog(path?.value, format?.value, section.node), path ?? section.node);
  return section.done();
}

/** A file access log, also the admin's. */
export function fileLog(path: SourceNode | undefined, format: SourceNode | undefined, at: SourceNode): MapNode {
  const text = format && map({ text_format_source: map({ inline_string: format }, format) }, format);
  return map(
    { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog', path, log_format: text },
    at,
  );
}

function convertFilter(section: Section): MapNode {
  const type = section.take('type');
  const at = type ?? section.node;
  switch (textOf(type?.value)) {
    case 'status_code':
      section.out.put('status_code_filter', comparison(section), at);
      break;
    case 'duration':
      section.out.put('duration_filter', comparison(section), at);
      break;
    case 'runtime': {
      const key = section.take('key');
      section.out.put('runtime_filter', map({ runtime_key: key?.value }, at), at);
      break;
    }
    case 'logical_and':
    case 'logical_or': {
      const filters = sectionsOf(section.take('filters')?.value, 'a v1 access log filter', section.context);
      const name = textOf(type?.value) === 'logical_and' ? 'and_filter' : 'or_filter';
      section.out.put(name, map({ filters: list(filters.map(convertFilter), at) }, at), at);
      break;
    }
    case 'not_healthcheck':
      section.out.put('not_health_check_filter', map({}, at), at);
      break;
    case 'traceable_request':
      section.out.put('traceable_filter', map({}, at), at);
      break;
    default:
      section.context.error(
        at,
        `unknown access log filter '${textOf(type?.value) ?? ''}'`,
        'expected one of status_code, duration, runtime, logical_and, logical_or, not_healthcheck, traceable_request',
      );
  }
  return section.done();
}

/** `op` and `value`, which a runtime key may change. */
function comparison(section: Section): MapNode {
  const op = section.take('op');
  const value = section.take('value');
  const key = section.take('runtime_key');
  const operation = { '>=': 'GE', '=': 'EQ' }[textOf(op?.value) ?? '>='];
  if (operation === undefined)
    section.context.error(op!.value, `unknown comparison '${textOf(op!.value)}'`, "expected '>=' or '='");
  // A comparison needs a name for its runtime key; one that nobody sets changes nothing.
  const number = map({ default_value: value?.value, runtime_key: key?.value ?? 'access_log.unset' }, section.node);
  return map({ comparison: map({ op: operation, value: number }, section.node) }, section.node);
}

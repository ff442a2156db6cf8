/** Adds and removes headers as configured at one level of a route configuration (steps 5 and 7: requests and responses). */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import { sanitizeValue } from '../../native-free/headers/sanitize_value.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { FormatContext } from '../spi/format.ts';
import { parseHeaderValue } from './formatter/header_value.ts';
import type { Formatter } from './formatter/parse_format.ts';
import { inlineRequestHeaders, inlineResponseHeaders } from './inline_headers.ts';

/** envoy.config.core.v3.HeaderValueOption.HeaderAppendAction */
const AppendAction = {
  AppendIfExistsOrAdd: 0,
  AddIfAbsent: 1,
  OverwriteIfExistsOrAdd: 2,
  OverwriteIfExists: 3,
} as const;

interface HeaderToAdd {
  readonly name: HeaderName;
  /** One of AppendAction. */
  readonly action: number;
  /** A string needs no work; an empty value adds nothing unless `keepEmpty`. */
  readonly value: string | Formatter;
  readonly keepEmpty: boolean;
}

/** One level's mutations, compiled once and applied to every message it governs. */
export interface HeaderMutations {
  /** Nothing to do: the caller may skip the level. */
  readonly isEmpty: boolean;
  applyToRequest(head: RequestHead, context: FormatContext): void;
  applyToResponse(head: ResponseHead, context: FormatContext): void;
  applyToTrailers(trailers: HeaderMap, context: FormatContext): void;
}

/**
 * Compiles mutations that the configuration's checks (`checkHeaderToAdd`) have passed; an entry whose format does not
 * parse is left out.
 */
export function compileHeaderMutations(
  toAdd: readonly envoy.config.core.v3.HeaderValueOption[],
  toRemove: readonly string[],
): HeaderMutations {
  const adds: HeaderToAdd[] = [];
  for (const option of toAdd) {
    const value = option.header === undefined ? '' : parseHeaderValue(option.header);
    if (option.header === undefined || (typeof value !== 'string' && 'error' in value)) continue;
    if (value === '' && !option.keepEmptyValue) continue;
    // `append: false` is the older form of OVERWRITE_IF_EXISTS_OR_ADD.
    const action = option.append === false ? AppendAction.OverwriteIfExistsOrAdd : option.appendAction;
    adds.push({ name: headerName(option.header.key), action, value, keepEmpty: option.keepEmptyValue });
  }
  return new CompiledMutations(adds, toRemove.map(headerName));
}

const noNames: ReadonlySet<HeaderName> = new Set();

/** Values of the entries for one message, undefined where an entry does nothing; filled and used within one call. */
const values: (string | undefined)[] = [];

class CompiledMutations implements HeaderMutations {
  readonly isEmpty: boolean;
  private readonly adds: readonly HeaderToAdd[];
  private readonly removes: readonly HeaderName[];

  constructor(adds: readonly HeaderToAdd[], removes: readonly HeaderName[]) {
    this.adds = adds;
    this.removes = removes;
    this.isEmpty = adds.length === 0 && removes.length === 0;
  }

  applyToRequest(head: RequestHead, context: FormatContext): void {
    if (!this.isEmpty) this.apply(head.headers, context, inlineRequestHeaders);
  }

  applyToResponse(head: ResponseHead, context: FormatContext): void {
    if (!this.isEmpty) this.apply(head.headers, context, inlineResponseHeaders);
  }

  applyToTrailers(trailers: HeaderMap, context: FormatContext): void {
    if (!this.isEmpty) this.apply(trailers, context, noNames);
  }

  /**
   * Envoy's order: removals, then all values and conditions from the headers as they are by then, then what overwrites,
   * then what appends. An overwritten header moves to the end.
   */
  private apply(headers: HeaderMap, context: FormatContext, inline: ReadonlySet<HeaderName>): void {
    const { adds, removes } = this;
    for (let i = 0; i < removes.length; i++) headers.remove(removes[i]);
    for (let i = 0; i < adds.length; i++) values[i] = valueFor(adds[i], headers, context);
    for (let i = 0; i < adds.length; i++) {
      const value = values[i];
      if (value === undefined || adds[i].action < AppendAction.OverwriteIfExistsOrAdd) continue;
      headers.remove(adds[i].name);
      headers.add(adds[i].name, value);
    }
    for (let i = 0; i < adds.length; i++) {
      const value = values[i];
      if (value === undefined || adds[i].action >= AppendAction.OverwriteIfExistsOrAdd) continue;
      append(headers, adds[i].name, value, inline);
    }
  }
}

function valueFor(entry: HeaderToAdd, headers: HeaderMap, context: FormatContext): string | undefined {
  if (entry.action === AppendAction.AddIfAbsent && headers.has(entry.name)) return undefined;
  if (entry.action === AppendAction.OverwriteIfExists && !headers.has(entry.name)) return undefined;
  if (typeof entry.value === 'string') return entry.value;
  const value = sanitizeValue(entry.value.format(context));
  return value === '' && !entry.keepEmpty ? undefined : value;
}

/** Headers that Envoy keeps as one value grow by `,value`; others get a field of their own. */
function append(headers: HeaderMap, name: HeaderName, value: string, inline: ReadonlySet<HeaderName>): void {
  const at = headers.names.indexOf(name);
  if (at < 0 || !inline.has(name)) headers.add(name, value);
  else if (value !== '') headers.values[at] = headers.values[at] === '' ? value : `${headers.values[at]},${value}`;
}

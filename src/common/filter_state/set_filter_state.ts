/** Objects that configuration puts into the filter state of a connection or stream (the set_filter_state filters). */
import type { envoy } from '../../api/envoy_types.ts';
import type { FormatContext } from '../../spi/format.ts';
import { compileSubstitutionFormat } from '../formatter/substitution_format.ts';
import type { StreamInfo } from '../stream_info.ts';

type FilterStateValue = envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue;

/** What a factory makes of text; undefined when the text is not what it makes objects of. */
type Factory = (text: string) => unknown;

const string: Factory = (text) => text;
const number: Factory = (text) => (/^\d+$/.test(text) ? Number(text) : undefined);
const list: Factory = (text) => text.split(',');

/** The factories of Envoy whose objects something here reads. */
const factories: Readonly<Record<string, Factory>> = {
  'envoy.string': string,
  'envoy.tcp_proxy.cluster': string,
  'envoy.tcp_proxy.per_connection_idle_timeout_ms': number,
  'envoy.network.upstream_server_name': string,
  'envoy.network.application_protocols': list,
  'envoy.network.upstream_subject_alt_names': list,
};

/** Why a value cannot be set; undefined when it can. */
export function filterStateProblem(value: FilterStateValue): { path: string; reason: string } | undefined {
  const key = value.key.value ?? '';
  if (key === '') return undefined;
  const factory = value.factoryKey || key;
  if (factory in factories) return undefined;
  return {
    path: value.factoryKey === '' ? 'object_key' : 'factory_key',
    reason: `'${factory}' does not have an object factory`,
  };
}

type SetFilterState = (key: string, object: unknown) => void;

/** Evaluates all values in their order; each sees what those before it have set. */
export function compileFilterStateValues(
  values: readonly FilterStateValue[],
): (context: FormatContext, set: SetFilterState) => void {
  const compiled = values.map((value) => {
    const key = value.key.value ?? '';
    const format = compileSubstitutionFormat(value.value.value!);
    if ('error' in format) throw new Error(`${format.path}: ${format.error}`);
    return { key, factory: factories[value.factoryKey || key], format: format.formatter, skip: value.skipIfEmpty };
  });
  return (context, set) => {
    for (const { key, factory, format, skip } of compiled) {
      const text = format.format(context);
      if (text === '' && skip) continue;
      const object = factory(text);
      if (object !== undefined) set(key, object);
    }
  };
}

/** For a format that is asked of a connection alone. */
export function connectionContext(info: StreamInfo): FormatContext {
  return { info, request: undefined, response: undefined, responseTrailers: undefined, localReplyBody: '' };
}

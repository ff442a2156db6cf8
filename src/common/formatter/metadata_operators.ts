/** Operators over dynamic metadata and filter state, which filters leave on a stream (access logs, header values). */
import type { FormatContext } from '../../spi/format.ts';
import { toWire } from '../wire_string.ts';
import { type OperatorSpec, type OperatorTable, Syntax, truncated } from './operator.ts';

/** The value of an object below a path of keys, as dynamic metadata and filter state give it. */
function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** A string as it is, everything else as JSON; undefined for null, which Envoy prints as missing. */
function plainText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return toWire(typeof value === 'string' ? value : JSON.stringify(value));
}

/** `namespace:key:key…` below dynamic metadata. */
function dynamicMetadata(params: string, maxLength: number | undefined) {
  const [namespace, ...path] = params.split(':');
  const read = ({ info }: FormatContext) => valueAt(info.dynamicMetadata?.get(namespace), path) ?? undefined;
  return {
    text: truncated((context) => plainText(read(context)), maxLength).text,
    value: (context: FormatContext) => read(context) as object | undefined,
  };
}

const metadataKinds = [
  'DYNAMIC',
  'CLUSTER',
  'ROUTE',
  'UPSTREAM_HOST',
  'LISTENER',
  'LISTENER_FILTER_CHAIN',
  'VIRTUAL_HOST',
];

const metadata: OperatorSpec = {
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    const [kind, ...rest] = params.split(':');
    if (!metadataKinds.includes(kind)) return `${kind} is not supported type of metadata`;
    if (kind !== 'DYNAMIC') return `METADATA(${kind}) is not supported yet`;
    return dynamicMetadata(rest.join(':'), maxLength);
  },
};

const filterState: OperatorSpec = {
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    const [key, kind = 'TYPED', field = ''] = params.split(':');
    if (key === '') return 'Invalid filter state configuration, key cannot be empty.';
    if (kind !== 'PLAIN' && kind !== 'TYPED' && kind !== 'FIELD') {
      return 'Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.';
    }
    if ((kind === 'FIELD') !== (field !== '')) {
      return 'Invalid filter state serialize type, FIELD should be used with the field name.';
    }
    const path = kind === 'FIELD' ? [field] : [];
    const read = ({ info }: FormatContext) => valueAt(info.filterState?.get(key), path) ?? undefined;
    const text = truncated((context) => plainText(read(context)), maxLength).text;
    return { text, value: kind === 'TYPED' ? (context) => read(context) as object | undefined : text };
  },
};

export const metadataOperators: OperatorTable = {
  DYNAMIC_METADATA: { syntax: Syntax.paramsRequired | Syntax.lengthAllowed, create: dynamicMetadata },
  METADATA: metadata,
  FILTER_STATE: filterState,
};

/** Operators over metadata, configured or left on a stream by filters, and over filter state (access logs, header values). */
import type { FormatContext } from '../../spi/format.ts';
import type { Metadata } from '../stream_info.ts';
import { toWire } from '../wire_string.ts';
import { type OperatorSpec, type OperatorTable, type OperatorValue, Syntax, truncated } from './operator.ts';

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

/** With its type; a length cuts strings only. */
function shortened(value: unknown, maxLength: number | undefined): OperatorValue {
  return typeof value === 'string' ? toWire(value).slice(0, maxLength) : (value as OperatorValue);
}

/** `namespace:key:key…` below dynamic metadata. */
function dynamicMetadata(params: string, maxLength: number | undefined) {
  const [namespace, ...path] = params.split(':');
  const read = ({ info }: FormatContext) => valueAt(info.dynamicMetadata?.get(namespace), path) ?? undefined;
  return {
    text: truncated((context) => plainText(read(context)), maxLength).text,
    value: (context: FormatContext) => shortened(read(context), maxLength),
  };
}

type ReadMetadata = (context: FormatContext) => Metadata | undefined;

/** Metadata that configuration gives to what a request passes. */
const configured: Readonly<Record<string, ReadMetadata>> = {
  CLUSTER: ({ info }) => info.upstreamClusterMetadata,
  ROUTE: ({ info }) => info.routeMetadata,
  VIRTUAL_HOST: ({ info }) => info.virtualHostMetadata,
};
const notKnown = ['UPSTREAM_HOST', 'LISTENER', 'LISTENER_FILTER_CHAIN'];

/** `namespace:key:key…` below filter_metadata. */
function configuredMetadata(metadata: ReadMetadata, params: string, maxLength: number | undefined) {
  const [namespace, ...path] = params.split(':');
  const read = (context: FormatContext) => valueAt(metadata(context)?.filterMetadata[namespace], path) ?? undefined;
  return {
    text: truncated((context) => plainText(read(context)), maxLength).text,
    value: (context: FormatContext) => shortened(read(context), maxLength),
  };
}

const metadataOf = (kind: string): OperatorSpec => ({
  syntax: Syntax.paramsRequired | Syntax.lengthAllowed,
  create: (params, maxLength) => configuredMetadata(configured[kind], params, maxLength),
});

const metadata: OperatorSpec = {
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    const [kind, ...rest] = params.split(':');
    if (kind === 'DYNAMIC') return dynamicMetadata(rest.join(':'), maxLength);
    if (kind in configured) return configuredMetadata(configured[kind], rest.join(':'), maxLength);
    if (notKnown.includes(kind)) return `METADATA(${kind}) is not supported yet`;
    return `${kind} is not supported type of metadata`;
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
  CLUSTER_METADATA: metadataOf('CLUSTER'),
  FILTER_STATE: filterState,
};

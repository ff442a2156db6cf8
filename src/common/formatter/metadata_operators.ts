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

/** As `plainText`, but an object that has a text of its own, by a `toString`, is shown by it. */
function objectText(value: unknown): string | undefined {
  const own = typeof value === 'object' && value !== null && !Array.isArray(value) && value.toString !== {}.toString;
  return own ? String(value) : plainText(value);
}

/** As JSON, a string too: Envoy prints the message that an object of filter state stands for. */
function typedText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : toWire(JSON.stringify(value));
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
  UPSTREAM_HOST: ({ info }) => info.upstreamHost?.metadata,
  LISTENER: ({ info }) => info.connection?.listenerMetadata,
  LISTENER_FILTER_CHAIN: ({ info }) => info.connection?.filterChainMetadata,
};

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
    return `${kind} is not supported type of metadata`;
  },
};

/** `whose` has no filters that could leave an object: the operator is checked all the same. */
const filterStateOf = (whose: 'downstream' | 'upstream'): OperatorSpec => ({
  syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
  create: (params, maxLength) => {
    const [key, given, field = ''] = params.split(':');
    const kind = given || 'TYPED';
    if (key === '') return 'Invalid filter state configuration, key cannot be empty.';
    if (kind !== 'PLAIN' && kind !== 'TYPED' && kind !== 'FIELD') {
      return 'Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.';
    }
    if ((kind === 'FIELD') !== (field !== '')) {
      return 'Invalid filter state serialize type, FIELD should be used with the field name.';
    }
    const path = kind === 'FIELD' ? [field] : [];
    const read = ({ info }: FormatContext) =>
      whose === 'upstream' ? undefined : (valueAt(info.filterStateOf(key), path) ?? undefined);
    const plain = kind === 'TYPED' ? typedText : objectText;
    const text = truncated((context) => plain(read(context)), maxLength).text;
    return { text, value: kind === 'TYPED' ? (context) => read(context) as object | undefined : text };
  },
});

export const metadataOperators: OperatorTable = {
  DYNAMIC_METADATA: { syntax: Syntax.paramsRequired | Syntax.lengthAllowed, create: dynamicMetadata },
  METADATA: metadata,
  CLUSTER_METADATA: metadataOf('CLUSTER'),
  UPSTREAM_METADATA: metadataOf('UPSTREAM_HOST'),
  FILTER_STATE: filterStateOf('downstream'),
  UPSTREAM_FILTER_STATE: filterStateOf('upstream'),
};

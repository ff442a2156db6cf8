/** Compiles envoy.config.accesslog.v3.AccessLogFilter: which finished streams get an entry (data side). */
import { headerName } from '../../../native-free/headers/header_name.ts';
import type { envoy } from '../../api/envoy_types.ts';
import type { FormatContext } from '../../spi/format.ts';
import { now } from '../clock.ts';
import { grpcStatusOf } from '../formatter/grpc_operators.ts';
import { accessLogTypeOf } from '../formatter/http_operators.ts';
import { compileHeaderMatcher } from '../matchers/header_matcher.ts';
import { compileValueMatcher, metadataValue } from '../matchers/metadata_matcher.ts';
import { shortFlagNames } from '../response_flags.ts';
import { denominators, Runtime } from '../runtime.ts';

type Message = envoy.config.accesslog.v3.AccessLogFilter;

/** Whether this stream is logged. */
export type AccessLogFilter = (context: FormatContext) => boolean;

/** What an extension that is a filter exports by default on its data side. */
export type AccessLogFilterFactory = (message: unknown) => AccessLogFilter;

/** The data side of an extension, loaded before, and its unpacked configuration. */
export type FindExtension = (config: {
  readonly name: string;
  readonly typedConfig?: { readonly typeUrl: string; readonly value: Uint8Array };
}) => { readonly create: unknown; readonly message: unknown } | undefined;

export interface AccessLogFilterDeps {
  /** Asked for limits and shares; without it the configured ones hold. */
  readonly runtime?: Runtime;
  readonly extension?: FindExtension;
}

const REQUEST_ID = headerName('x-request-id');

/** Throws on what configuration validation refuses. */
export function compileAccessLogFilter(message: Message, deps: AccessLogFilterDeps = {}): AccessLogFilter {
  const { runtime = new Runtime() } = deps;
  const { filterSpecifier: filter } = message;
  switch (filter.case) {
    case 'statusCodeFilter':
      return compileComparison(filter.value.comparison, runtime, ({ info }) => info.responseCode);
    case 'durationFilter':
      return compileComparison(filter.value.comparison, runtime, ({ info }) =>
        Math.floor((info.endMonotonic || now) - info.startMonotonic),
      );
    case 'notHealthCheckFilter':
      return ({ info }) => !info.healthCheck;
    case 'traceableFilter':
      // Envoy logs what the service forced to be traced, and without tracing nothing is.
      return () => false;
    case 'runtimeFilter':
      return compileRuntime(filter.value, runtime);
    case 'andFilter': {
      const filters = filter.value.filters.map((one) => compileAccessLogFilter(one, deps));
      return (context) => filters.every((one) => one(context));
    }
    case 'orFilter': {
      const filters = filter.value.filters.map((one) => compileAccessLogFilter(one, deps));
      return (context) => filters.some((one) => one(context));
    }
    case 'headerFilter': {
      if (filter.value.header === undefined) return () => true;
      const matcher = compileHeaderMatcher(filter.value.header);
      return ({ request }) => request !== undefined && matcher.matchesRequest(request);
    }
    case 'responseFlagFilter': {
      const wanted = filter.value.flags.reduce((bits, name) => bits | (1 << shortFlagNames.indexOf(name)), 0);
      // No flags listed: any flag.
      const mask = filter.value.flags.length === 0 ? -1 : wanted;
      return ({ info }) => (info.responseFlags & mask) !== 0;
    }
    case 'grpcStatusFilter': {
      const { statuses, exclude } = filter.value;
      return (context) => statuses.includes(grpcStatusOf(context) ?? 2) !== exclude;
    }
    case 'metadataFilter':
      return compileMetadata(filter.value);
    case 'logTypeFilter': {
      const { types, exclude } = filter.value;
      return (context) => types.includes(accessLogTypeOf(context)) !== exclude;
    }
    case 'extensionFilter': {
      const { name, configType } = filter.value;
      const extension = deps.extension?.({ name, typedConfig: configType.value });
      return extension === undefined ? () => true : (extension.create as AccessLogFilterFactory)(extension.message);
    }
    default:
      return () => true;
  }
}

function compileComparison(
  comparison: envoy.config.accesslog.v3.ComparisonFilter | undefined,
  runtime: Runtime,
  read: (context: FormatContext) => number,
): AccessLogFilter {
  const { defaultValue = 0, runtimeKey = '' } = comparison?.value ?? {};
  const limit = () => (runtime.size === 0 ? defaultValue : runtime.integer(runtimeKey, defaultValue));
  switch (comparison?.op) {
    case 1:
      return (context) => read(context) >= limit();
    case 2:
      return (context) => read(context) <= limit();
    case 3:
      return (context) => read(context) !== limit();
    default:
      return (context) => read(context) === limit();
  }
}

/** The fraction of requests by their id, so that all proxies on a request's way log the same ones. */
function compileRuntime(filter: envoy.config.accesslog.v3.RuntimeFilter, runtime: Runtime): AccessLogFilter {
  const numerator = filter.percentSampled?.numerator ?? 0;
  const denominator = denominators[filter.percentSampled?.denominator ?? 0];
  return ({ request }) => {
    const id = filter.useIndependentRandomness ? undefined : request?.headers.get(REQUEST_ID);
    const fromId = id === undefined ? Number.NaN : Number.parseInt(id.slice(0, 8), 16);
    const chance = Number.isNaN(fromId) ? Math.floor(Math.random() * denominator) : fromId;
    return chance % denominator < runtime.integer(filter.runtimeKey, numerator);
  };
}

function compileMetadata(filter: envoy.config.accesslog.v3.MetadataFilter): AccessLogFilter {
  const { matcher, matchIfKeyNotFound = true } = filter;
  if (matcher === undefined) return () => matchIfKeyNotFound;
  const match = compileValueMatcher(matcher.value);
  return ({ info }) => {
    const value = metadataValue(matcher, info);
    return value === undefined ? matchIfKeyNotFound : match(value) !== matcher.invert;
  };
}

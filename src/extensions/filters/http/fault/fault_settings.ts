/** envoy.extensions.filters.http.fault.v3.HTTPFault compiled: of the filter, or of a route in its place. */
import type { RequestHead } from '../../../../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../../../../native-free/headers/header_name.ts';
import { headerName } from '../../../../../native-free/headers/header_name.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { durationMs } from '../../../../common/duration.ts';
import { compileHeaderMatcher, type HeaderMatcher } from '../../../../common/matchers/header_matcher.ts';
import { denominators, type Runtime } from '../../../../common/runtime.ts';
import { toWire } from '../../../../common/wire_string.ts';

type Message = envoy.extensions.filters.http.fault.v3.HTTPFault;
type Percentage = envoy.type.v3.FractionalPercent | undefined;

const ABORT_REQUEST = headerName('x-envoy-fault-abort-request');
const ABORT_GRPC_REQUEST = headerName('x-envoy-fault-abort-grpc-request');
const ABORT_PERCENTAGE = headerName('x-envoy-fault-abort-request-percentage');
const DELAY_REQUEST = headerName('x-envoy-fault-delay-request');
const DELAY_PERCENTAGE = headerName('x-envoy-fault-delay-request-percentage');
const THROUGHPUT_RESPONSE = headerName('x-envoy-fault-throughput-response');
const THROUGHPUT_PERCENTAGE = headerName('x-envoy-fault-throughput-response-percentage');

const defaultBody = 'fault filter abort';

/** Which requests a fault is for; a client may ask for a smaller share than is configured. */
class Share {
  private readonly numerator: number;
  private readonly denominator: number;
  private readonly header: HeaderName | undefined;

  constructor(percentage: Percentage, header: HeaderName | undefined) {
    this.numerator = percentage?.numerator ?? 0;
    this.denominator = denominators[percentage?.denominator ?? 0];
    this.header = header;
  }

  includes(head: RequestHead, runtime: Runtime, key: string): boolean {
    const asked = this.header === undefined ? undefined : wholeNumber(head.headers.get(this.header));
    const numerator = Math.min(asked ?? this.numerator, this.numerator);
    const random = Math.floor(Math.random() * 0x1_0000_0000);
    return runtime.fractionIncludes(key, numerator, this.denominator, random);
  }
}

/** The runtime keys of the filter, with Envoy's names where none are configured. */
export interface RuntimeKeys {
  readonly delayPercent: string;
  readonly abortPercent: string;
  readonly delayDuration: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly maxActiveFaults: string;
  readonly rateLimitPercent: string;
}

export class FaultSettings {
  readonly keys: RuntimeKeys;
  readonly delay: DelayFault | undefined;
  readonly abort: AbortFault | undefined;
  readonly rateLimit: RateLimitFault | undefined;
  /** Empty: any. */
  readonly upstreamCluster: string;
  /** Undefined: any. */
  readonly downstreamNodes: ReadonlySet<string> | undefined;
  readonly headers: readonly HeaderMatcher[];
  readonly maxActiveFaults: number;
  readonly countsDownstreamClusters: boolean;
  readonly metadata: Record<string, unknown>;

  constructor(message: Message) {
    const { delay, abort, responseRateLimit } = message;
    this.keys = {
      delayPercent: message.delayPercentRuntime || 'fault.http.delay.fixed_delay_percent',
      abortPercent: message.abortPercentRuntime || 'fault.http.abort.abort_percent',
      delayDuration: message.delayDurationRuntime || 'fault.http.delay.fixed_duration_ms',
      abortHttpStatus: message.abortHttpStatusRuntime || 'fault.http.abort.http_status',
      abortGrpcStatus: message.abortGrpcStatusRuntime || 'fault.http.abort.grpc_status',
      maxActiveFaults: message.maxActiveFaultsRuntime || 'fault.http.max_active_faults',
      rateLimitPercent: message.responseRateLimitPercentRuntime || 'fault.http.rate_limit.response_percent',
    };
    this.delay = delay && new DelayFault(delay);
    this.abort = abort && new AbortFault(abort);
    this.rateLimit = responseRateLimit && new RateLimitFault(responseRateLimit);
    this.upstreamCluster = message.upstreamCluster;
    this.downstreamNodes = message.downstreamNodes.length === 0 ? undefined : new Set(message.downstreamNodes);
    this.headers = message.headers.map(compileHeaderMatcher);
    this.maxActiveFaults = message.maxActiveFaults ?? Number.POSITIVE_INFINITY;
    this.countsDownstreamClusters = !message.disableDownstreamClusterStats;
    this.metadata = (message.filterMetadata ?? {}) as Record<string, unknown>;
  }
}

class DelayFault {
  readonly share: Share;
  /** Undefined: the request's header says. */
  private readonly fixed: number | undefined;

  constructor({ faultDelaySecifier: kind, percentage }: envoy.extensions.filters.common.fault.v3.FaultDelay) {
    this.fixed = kind.case === 'fixedDelay' ? Math.floor(durationMs(kind.value)!) : undefined;
    this.share = new Share(percentage, kind.case === 'headerDelay' ? DELAY_PERCENTAGE : undefined);
  }

  /** Milliseconds; undefined: none. */
  duration(head: RequestHead): number | undefined {
    return this.fixed ?? wholeNumber(head.headers.get(DELAY_REQUEST));
  }
}

class AbortFault {
  readonly share: Share;
  readonly body: string;
  private readonly kind: envoy.extensions.filters.http.fault.v3.FaultAbort['errorType'];

  constructor({ errorType, percentage, responseBody }: envoy.extensions.filters.http.fault.v3.FaultAbort) {
    this.kind = errorType;
    this.body = responseBody === '' ? defaultBody : toWire(responseBody);
    this.share = new Share(percentage, errorType.case === 'headerAbort' ? ABORT_PERCENTAGE : undefined);
  }

  httpStatus(head: RequestHead): number | undefined {
    if (this.kind.case === 'httpStatus') return this.kind.value;
    if (this.kind.case !== 'headerAbort') return undefined;
    const status = wholeNumber(head.headers.get(ABORT_REQUEST));
    return status !== undefined && status >= 200 && status < 600 ? status : undefined;
  }

  grpcStatus(head: RequestHead): number | undefined {
    if (this.kind.case === 'grpcStatus') return this.kind.value;
    return this.kind.case === 'headerAbort' ? wholeNumber(head.headers.get(ABORT_GRPC_REQUEST)) : undefined;
  }
}

class RateLimitFault {
  readonly share: Share;
  /** Undefined: the request's header says. */
  private readonly fixed: number | undefined;

  constructor({ limitType: kind, percentage }: envoy.extensions.filters.common.fault.v3.FaultRateLimit) {
    this.fixed = kind.case === 'fixedLimit' ? Number(kind.value.limitKbps) : undefined;
    this.share = new Share(percentage, kind.case === 'headerLimit' ? THROUGHPUT_PERCENTAGE : undefined);
  }

  /** KiB a second; undefined: no limit. */
  rate(head: RequestHead): number | undefined {
    return this.fixed ?? (wholeNumber(head.headers.get(THROUGHPUT_RESPONSE)) || undefined);
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\+?\d{1,15}$/.test(text.trim())) return undefined;
  return Number(text);
}

/** Which load balancing a cluster message asks for: `load_balancing_policy`, or `lb_policy` with its options. */
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import type { LoadBalancingPolicy } from './load_balancer.ts';
import { type SlowStartSettings, slowStartSettings } from './slow_start.ts';

type Cluster = envoy.config.cluster.v3.Cluster;
type LeastRequest = envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest;
type RoundRobin = envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin;
type Random = envoy.extensions.load_balancing_policies.random.v3.Random;
type LocalityLbConfig = envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig;

/** Numbers of envoy.config.cluster.v3.Cluster.LbPolicy. */
const LbPolicy = { RoundRobin: 0, LeastRequest: 1, Random: 3 };

export interface LoadBalancing {
  readonly policy: LoadBalancingPolicy;
  /** A locality is chosen by its weight first, then a host of it. */
  readonly localityWeighted: boolean;
  readonly failTrafficOnPanic: boolean;
  /** Undefined: hosts have their whole weight from the beginning. */
  readonly slowStart: SlowStartSettings | undefined;
}

export function loadBalancing(message: Cluster): LoadBalancing {
  const [first] = message.loadBalancingPolicy?.policies ?? [];
  const any = first?.typedExtensionConfig?.typedConfig;
  return any === undefined ? legacy(message) : extension(unpackAny(any) as LeastRequest | RoundRobin | Random);
}

function extension(options: LeastRequest | RoundRobin | Random): LoadBalancing {
  const { localityLbConfig } = options;
  switch (options.$typeName) {
    case 'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest':
      return {
        policy: leastRequest(options),
        ...localities(localityLbConfig),
        slowStart: slowStartSettings(options.slowStartConfig),
      };
    case 'envoy.extensions.load_balancing_policies.random.v3.Random':
      return { policy: { kind: 'random' }, ...localities(localityLbConfig), slowStart: undefined };
    default:
      return {
        policy: { kind: 'round_robin' },
        ...localities(localityLbConfig),
        slowStart: slowStartSettings(options.slowStartConfig),
      };
  }
}

function localities(config: LocalityLbConfig | undefined): Omit<LoadBalancing, 'policy' | 'slowStart'> {
  const chosen = config?.localityConfigSpecifier;
  return {
    localityWeighted: chosen?.case === 'localityWeightedLbConfig',
    failTrafficOnPanic: chosen?.case === 'zoneAwareLbConfig' && chosen.value.failTrafficOnPanic,
  };
}

function legacy(message: Cluster): LoadBalancing {
  const chosen = message.commonLbConfig?.localityConfigSpecifier;
  return {
    policy: legacyPolicy(message),
    slowStart: slowStartSettings(legacySlowStart(message)),
    localityWeighted: chosen?.case === 'localityWeightedLbConfig',
    failTrafficOnPanic: chosen?.case === 'zoneAwareLbConfig' && chosen.value.failTrafficOnPanic,
  };
}

function legacySlowStart({ lbPolicy, lbConfig }: Cluster): envoy.config.cluster.v3.Cluster_SlowStartConfig | undefined {
  if (lbPolicy === LbPolicy.RoundRobin && lbConfig.case === 'roundRobinLbConfig') return lbConfig.value.slowStartConfig;
  return lbPolicy === LbPolicy.LeastRequest && lbConfig.case === 'leastRequestLbConfig'
    ? lbConfig.value.slowStartConfig
    : undefined;
}

function legacyPolicy({ lbPolicy, lbConfig }: Cluster): LoadBalancingPolicy {
  switch (lbPolicy) {
    case LbPolicy.Random:
      return { kind: 'random' };
    case LbPolicy.LeastRequest:
      return leastRequest(lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined);
    default:
      return { kind: 'round_robin' };
  }
}

function leastRequest(
  options: Pick<LeastRequest, 'choiceCount' | 'activeRequestBias'> | undefined,
): LoadBalancingPolicy {
  return {
    kind: 'least_request',
    choiceCount: options?.choiceCount ?? 2,
    activeRequestBias: options?.activeRequestBias?.defaultValue ?? 1,
  };
}

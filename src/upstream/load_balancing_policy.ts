/** Which load balancing a cluster message asks for (`lb_policy` with its options). */
import type { envoy } from '../api/envoy_types.ts';
import type { LoadBalancingPolicy } from './load_balancer.ts';

/** Numbers of envoy.config.cluster.v3.Cluster.LbPolicy. */
const LbPolicy = { RoundRobin: 0, LeastRequest: 1, Random: 3 };

export function loadBalancingPolicy(message: envoy.config.cluster.v3.Cluster): LoadBalancingPolicy {
  switch (message.lbPolicy) {
    case LbPolicy.Random:
      return { kind: 'random' };
    case LbPolicy.LeastRequest: {
      const options = message.lbConfig.case === 'leastRequestLbConfig' ? message.lbConfig.value : undefined;
      return {
        kind: 'least_request',
        choiceCount: options?.choiceCount ?? 2,
        activeRequestBias: options?.activeRequestBias?.defaultValue ?? 1,
      };
    }
    default:
      return { kind: 'round_robin' };
  }
}

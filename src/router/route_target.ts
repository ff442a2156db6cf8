/** What a matched route list entry leads to: one route, or one of several by weight. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { Runtime } from '../common/runtime.ts';
import type { Route } from './route.ts';

export type RouteTarget = Route | WeightedRoutes;

/** A share of the requests; `runtimeKey`, unless empty, may change it while the process runs. */
export interface RouteWeight {
  readonly weight: number;
  readonly runtimeKey: string;
}

/** Routes that share a match, each with its share of the requests. */
export class WeightedRoutes {
  private readonly routes: readonly Route[];
  private readonly weights: readonly RouteWeight[];
  /** Upper bounds, exclusive: route i has the numbers from the bound before it to its own. */
  private readonly bounds: readonly number[];
  private readonly header: HeaderName | undefined;
  /** Undefined when no weight has a key. */
  private readonly runtime: Runtime | undefined;

  /** `header`: a request header that holds the number to choose by; empty: none. Throws when the weights sum up to 0. */
  constructor(routes: readonly Route[], weights: readonly RouteWeight[], header: string, runtime: Runtime) {
    this.routes = routes;
    this.weights = weights;
    this.bounds = boundsOf(weights.map(({ weight }) => weight));
    if (this.bounds[routes.length - 1] === 0) {
      throw new Error('Sum of weights in the weighted_cluster must be greater than 0.');
    }
    this.header = header === '' ? undefined : headerName(header);
    this.runtime = weights.some(({ runtimeKey }) => runtimeKey !== '') ? runtime : undefined;
  }

  /** `random` is a non-negative integer. Undefined when the runtime sets all weights to 0. */
  pick(head: RequestHead, random: number): Route | undefined {
    const { runtime } = this;
    const bounds = runtime === undefined || runtime.size === 0 ? this.bounds : this.boundsIn(runtime);
    const total = bounds[bounds.length - 1];
    if (total === 0) return undefined;
    const chosen = (this.header === undefined ? undefined : fromHeader(head, this.header, total)) ?? random % total;
    let i = 0;
    while (chosen >= bounds[i]) i++;
    return this.routes[i];
  }

  private boundsIn(runtime: Runtime): readonly number[] {
    return boundsOf(this.weights.map(({ runtimeKey, weight }) => runtime.integer(runtimeKey, weight)));
  }
}

function boundsOf(weights: readonly number[]): number[] {
  let total = 0;
  return weights.map((weight) => {
    total += weight;
    return total;
  });
}

/** Undefined unless there is exactly one such header and it holds a number. */
function fromHeader(head: RequestHead, name: HeaderName, total: number): number | undefined {
  const { names, values } = head.headers;
  const at = names.indexOf(name);
  if (at < 0 || names.indexOf(name, at + 1) >= 0) return undefined;
  const text = values[at].trim();
  if (!/^\+?\d{1,20}$/.test(text)) return undefined;
  const number = BigInt(text[0] === '+' ? text.slice(1) : text);
  return number > 0xffff_ffff_ffff_ffffn ? undefined : Number(number % BigInt(total));
}

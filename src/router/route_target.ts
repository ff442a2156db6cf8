/** What a matched route list entry leads to: one route, or one of several by weight. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { Route } from './route.ts';

export type RouteTarget = Route | WeightedRoutes;

/** Routes that share a match, each with its share of the requests. */
export class WeightedRoutes {
  private readonly routes: readonly Route[];
  /** Upper bounds, exclusive: route i has the numbers from the bound before it to its own. */
  private readonly bounds: readonly number[];
  private readonly total: number;
  private readonly header: HeaderName | undefined;

  /** `header`: a request header that holds the number to choose by; empty: none. Throws when the weights sum up to 0. */
  constructor(routes: readonly Route[], weights: readonly number[], header: string) {
    let total = 0;
    this.routes = routes;
    this.bounds = weights.map((weight) => {
      total += weight;
      return total;
    });
    if (total === 0) throw new Error('Sum of weights in the weighted_cluster must be greater than 0.');
    this.total = total;
    this.header = header === '' ? undefined : headerName(header);
  }

  /** `random` is a non-negative integer. */
  pick(head: RequestHead, random: number): Route {
    const chosen = (this.header === undefined ? undefined : this.fromHeader(head, this.header)) ?? random % this.total;
    const { bounds } = this;
    let i = 0;
    while (chosen >= bounds[i]) i++;
    return this.routes[i];
  }

  /** Undefined unless there is exactly one such header and it holds a number. */
  private fromHeader(head: RequestHead, name: HeaderName): number | undefined {
    const { names, values } = head.headers;
    const at = names.indexOf(name);
    if (at < 0 || names.indexOf(name, at + 1) >= 0) return undefined;
    const text = values[at].trim();
    if (!/^\+?\d{1,20}$/.test(text)) return undefined;
    const number = BigInt(text[0] === '+' ? text.slice(1) : text);
    return number > 0xffff_ffff_ffff_ffffn ? undefined : Number(number % BigInt(this.total));
  }
}

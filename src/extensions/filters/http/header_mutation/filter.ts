/** envoy.filters.http.header_mutation: edits headers, query parameters and trailers, for all routes and for single ones. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import {
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';
import { Mutations } from './mutations.ts';

type Message = envoy.extensions.filters.http.header_mutation.v3.HeaderMutation;
type PerRoute = envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute;

export default function create(message: Message): () => StreamFilter {
  const config = new Config(message);
  return () => new HeaderMutationFilter(config);
}

class Config {
  private readonly own: Mutations | undefined;
  private readonly mostSpecificWins: boolean;
  /** By the list of a route's messages. */
  private readonly compiled = new WeakMap<readonly unknown[], readonly Mutations[]>();

  constructor({ mutations, mostSpecificHeaderMutationsWins }: Message) {
    this.own = mutations && new Mutations(mutations);
    this.mostSpecificWins = mostSpecificHeaderMutationsWins;
  }

  /** The filter's own, then those of the route's levels: unless the most specific one wins, the table's are last. */
  levels(messages: readonly unknown[]): readonly Mutations[] {
    let levels = this.compiled.get(messages);
    if (levels === undefined) {
      const ordered = this.mostSpecificWins ? messages : messages.toReversed();
      levels = [
        ...(this.own === undefined ? [] : [this.own]),
        ...ordered.flatMap((message) => {
          const { mutations } = message as PerRoute;
          return mutations === undefined ? [] : [new Mutations(mutations)];
        }),
      ];
      this.compiled.set(messages, levels);
    }
    return levels;
  }
}

class HeaderMutationFilter implements StreamFilter {
  private readonly config: Config;
  private callbacks!: DecoderFilterCallbacks;
  /** Those of the route that was chosen first: they stay with the stream, as in Envoy. */
  private chosen: readonly Mutations[] | undefined;

  constructor(config: Config) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(head: RequestHead): HeadersStatus {
    for (const level of this.levels) level.applyToRequest(head, this.callbacks);
    return HeadersStatus.Continue;
  }

  decodeTrailers(trailers: HeaderMap): TrailersStatus {
    for (const { requestTrailers } of this.levels)
      for (const rule of requestTrailers) rule.applyToTrailers(trailers, this.callbacks);
    return TrailersStatus.Continue;
  }

  encodeHeaders(head: ResponseHead): HeadersStatus {
    for (const { response } of this.levels) for (const rule of response) rule.applyToResponse(head, this.callbacks);
    return HeadersStatus.Continue;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    for (const { responseTrailers } of this.levels)
      for (const rule of responseTrailers) rule.applyToTrailers(trailers, this.callbacks);
    return TrailersStatus.Continue;
  }

  private get levels(): readonly Mutations[] {
    this.chosen ??= this.config.levels(this.callbacks.perRouteConfigs);
    return this.chosen;
  }
}

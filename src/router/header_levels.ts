/** The header mutations that govern a route, level by level in the order they are applied. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileHeaderMutations, type HeaderMutations } from '../common/header_mutation.ts';
import type { FormatContext } from '../spi/format.ts';

/** The four fields that route configuration, virtual host, route and weighted cluster share. */
export interface MutationFields {
  readonly requestHeadersToAdd: readonly envoy.config.core.v3.HeaderValueOption[];
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToAdd: readonly envoy.config.core.v3.HeaderValueOption[];
  readonly responseHeadersToRemove: readonly string[];
}

export interface Mutations {
  readonly request: HeaderMutations;
  readonly response: HeaderMutations;
}

export function compileMutations(message: MutationFields): Mutations {
  return {
    request: compileHeaderMutations(message.requestHeadersToAdd, message.requestHeadersToRemove),
    response: compileHeaderMutations(message.responseHeadersToAdd, message.responseHeadersToRemove),
  };
}

/** Levels that do something. The weighted cluster's is first always; of the others the last one applied has its way. */
export class HeaderLevels {
  private readonly request: readonly HeaderMutations[];
  private readonly response: readonly HeaderMutations[];

  /** `levels`: route, virtual host, route configuration. */
  constructor(weighted: Mutations | undefined, levels: readonly Mutations[], mostSpecificWins: boolean) {
    const ordered = mostSpecificWins ? levels.toReversed() : levels;
    const all = weighted === undefined ? ordered : [weighted, ...ordered];
    this.request = all.map((level) => level.request).filter((mutations) => !mutations.isEmpty);
    this.response = all.map((level) => level.response).filter((mutations) => !mutations.isEmpty);
  }

  applyToRequest(head: RequestHead, context: FormatContext): void {
    const { request } = this;
    for (let i = 0; i < request.length; i++) request[i].applyToRequest(head, context);
  }

  applyToResponse(head: ResponseHead, context: FormatContext): void {
    const { response } = this;
    for (let i = 0; i < response.length; i++) response[i].applyToResponse(head, context);
  }
}

/** envoy.extensions.filters.http.header_mutation.v3.Mutations compiled: what one level does to a request and its answer. */
import type { RequestHead } from '../../../../../native-free/headers/header_map.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { compileHeaderMutationRule, type HeaderMutationRule } from '../../../../common/header_mutation_rules.ts';
import { compileQueryMutation, type QueryMutation, QueryParameters } from '../../../../common/query_parameters.ts';
import type { FormatContext } from '../../../../spi/format.ts';

export class Mutations {
  readonly response: readonly HeaderMutationRule[];
  readonly requestTrailers: readonly HeaderMutationRule[];
  readonly responseTrailers: readonly HeaderMutationRule[];
  private readonly request: readonly HeaderMutationRule[];
  private readonly query: readonly QueryMutation[];

  constructor(message: envoy.extensions.filters.http.header_mutation.v3.Mutations) {
    this.request = message.requestMutations.map(compileHeaderMutationRule);
    this.query = message.queryParameterMutations.map(compileQueryMutation);
    this.response = message.responseMutations.map(compileHeaderMutationRule);
    this.requestTrailers = message.requestTrailersMutations.map(compileHeaderMutationRule);
    this.responseTrailers = message.responseTrailersMutations.map(compileHeaderMutationRule);
  }

  /** Headers, then query parameters. */
  applyToRequest(head: RequestHead, context: FormatContext): void {
    const { request, query } = this;
    for (let i = 0; i < request.length; i++) request[i].applyToRequest(head, context);
    if (query.length === 0 || head.path === '') return;
    const parameters = new QueryParameters(head.path);
    for (let i = 0; i < query.length; i++) query[i](parameters, context);
    head.path = parameters.path();
  }
}

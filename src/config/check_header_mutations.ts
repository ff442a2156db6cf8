/** What the schema does not say of the mutations of envoy.filters.http.header_mutation (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import { queryMutationProblem } from '../common/query_parameters.ts';
import type { Report } from './report.ts';

type Mutations = envoy.extensions.filters.http.header_mutation.v3.Mutations;

export function checkHeaderMutations(message: Mutations, report: Report): void {
  message.queryParameterMutations.forEach((mutation, i) => {
    const problem = queryMutationProblem(mutation);
    if (problem !== undefined) report.errorIn(message, `query_parameter_mutations[${i}]`, problem);
  });
  const lists = {
    request_mutations: message.requestMutations,
    response_mutations: message.responseMutations,
    request_trailers_mutations: message.requestTrailersMutations,
    response_trailers_mutations: message.responseTrailersMutations,
  };
  for (const [field, list] of Object.entries(lists)) {
    list.forEach(({ action }, i) => {
      if (action.case !== 'remove' || !action.value.startsWith(':') || action.value === ':authority') return;
      // Envoy takes it, and then answers every request with `missing required header`.
      report.errorIn(message, `${field}[${i}].remove`, `no message can be without '${action.value}'`);
    });
  }
}

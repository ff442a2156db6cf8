/** Step 5 of the data path: early_header_mutation_extensions, which edit a request before the manager's own rules. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { compileHeaderMutationRule } from '../common/header_mutation_rules.ts';
import type { FormatContext } from '../spi/format.ts';

export interface EarlyHeaderMutation {
  apply(head: RequestHead, context: FormatContext): void;
}

/** One after the other, each seeing what the one before it did; undefined when there is none. */
export function compileEarlyHeaderMutation(
  extensions: readonly envoy.config.core.v3.TypedExtensionConfig[],
): EarlyHeaderMutation | undefined {
  const steps = extensions.flatMap((extension) => {
    if (extension.typedConfig === undefined) throw new Error(`${extension.name} has no typed_config`);
    const type = 'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation';
    return unpackAny(extension.typedConfig, type).mutations.map(compileHeaderMutationRule);
  });
  if (steps.length === 0) return undefined;
  return {
    apply(head, context) {
      for (const step of steps) step.applyToRequest(head, context);
    },
  };
}

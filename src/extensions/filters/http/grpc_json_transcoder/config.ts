/** envoy.filters.http.grpc_json_transcoder: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../../spi/extension.ts';
import { compileMethods } from './methods.ts';

type Message = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder;

const typeName = 'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.grpc_json_transcoder',
  category: 'envoy.filters.http',
  aliases: ['envoy.grpc_json_transcoder'],
  typeName,
  // Its own message: one without services switches it off.
  routeTypeName: typeName,
  validate,
  load: () => import('./filter.ts'),
};

function validate(message: unknown, errors: ConfigErrors): void {
  try {
    compileMethods(message as Message);
  } catch (error) {
    errors.error('', (error as Error).message);
  }
}

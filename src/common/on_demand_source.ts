/** Where resources come from that are asked for by name while a request or connection waits (VHDS, ODCDS). */
import { ApiConfigSource_ApiType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { decode, encode } from '../api/registry.ts';

type ConfigSource = envoy.config.core.v3.ConfigSource;

const type = 'envoy.config.core.v3.ConfigSource';

/** As in Envoy no other protocol will do. */
export function canAskByName(source: ConfigSource | undefined): boolean {
  const { case: kind, value } = source?.configSourceSpecifier ?? { case: undefined };
  return kind === 'ads' || (kind === 'apiConfigSource' && value.apiType === ApiConfigSource_ApiType.DELTA_GRPC);
}

/** As one text, by which workers name it to the main thread. */
export function writeSource(source: ConfigSource): string {
  return Buffer.from(encode(type, source)).toString('base64');
}

export function readSource(text: string): ConfigSource {
  return decode(type, Buffer.from(text, 'base64')) as unknown as ConfigSource;
}

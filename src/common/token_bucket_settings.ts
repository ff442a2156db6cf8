/** envoy.type.v3.TokenBucket in numbers, with Envoy's defaults. */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from './duration.ts';
import type { TokenBucketSettings } from './token_bucket.ts';

export function tokenBucketSettings(message: envoy.type.v3.TokenBucket): TokenBucketSettings {
  return {
    maxTokens: message.maxTokens,
    tokensPerFill: message.tokensPerFill ?? 1,
    fillInterval: durationMs(message.fillInterval) ?? 1000,
  };
}

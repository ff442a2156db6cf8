/** Control path, step 3: rate_limit_settings: how often a control plane may be asked. */
import { performance } from 'node:perf_hooks';
import type { envoy } from '../../api/envoy_types.ts';

/** Envoy's defaults. */
const defaultTokens = 100;
const defaultFillRate = 10;

export class TokenBucket {
  private readonly most: number;
  private readonly perSecond: number;
  private tokens: number;
  private filledAt = performance.now();

  constructor(settings: envoy.config.core.v3.RateLimitSettings) {
    this.most = settings.maxTokens ?? defaultTokens;
    this.perSecond = Math.max(settings.fillRate ?? defaultFillRate, 0.05);
    this.tokens = this.most;
  }

  /** 0 when a token was taken, else the milliseconds until there is one. */
  take(): number {
    const at = performance.now();
    this.tokens = Math.min(this.most, this.tokens + ((at - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = at;
    if (this.tokens < 1) return Math.ceil(((1 - this.tokens) / this.perSecond) * 1000);
    this.tokens--;
    return 0;
  }
}

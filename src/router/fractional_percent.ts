/** envoy.type.v3.FractionalPercent compiled: which random numbers are within the fraction. */
import type { envoy } from '../api/envoy_types.ts';

const denominators = [100, 10_000, 1_000_000];

export class FractionalPercent {
  private readonly numerator: number;
  private readonly denominator: number;

  constructor(message: envoy.type.v3.FractionalPercent) {
    this.numerator = message.numerator;
    this.denominator = denominators[message.denominator];
  }

  /** `random` is a non-negative integer. */
  includes(random: number): boolean {
    return random % this.denominator < this.numerator;
  }
}

/** The runtime of one thread: values by key that change behaviour while the process runs, as the layers of the process give them. */
import type { envoy } from '../api/envoy_types.ts';

/** One value in all the readings its text allows; made by the main thread, cloned to workers. */
export interface RuntimeValue {
  /** As `/runtime` prints it. */
  readonly text: string;
  readonly number?: number;
  readonly boolean?: boolean;
  /** A share of requests, as numerator and denominator. */
  readonly fraction?: { readonly numerator: number; readonly denominator: number };
}

export type RuntimeValues = ReadonlyMap<string, RuntimeValue>;

/** By number of envoy.type.v3.FractionalPercent.DenominatorType. */
export const denominators = [100, 10_000, 1_000_000];

export class Runtime {
  private values: RuntimeValues = new Map();

  /** Takes the values of a new snapshot. */
  load(values: RuntimeValues): void {
    this.values = values;
  }

  /** Keys that are set: 0 where nobody uses the runtime, and no key needs to be looked up. */
  get size(): number {
    return this.values.size;
  }

  /** A whole number from 0 on; `fallback` when the key is not set or holds something else. */
  integer(key: string, fallback: number): number {
    return integerOf(this.values.get(key)) ?? fallback;
  }

  /** Any number; undefined when the key is not set or holds something else. */
  number(key: string): number | undefined {
    return this.values.get(key)?.number;
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.values.get(key)?.boolean ?? fallback;
  }

  /** Whether a feature that `percent` of all cases have is on for this one; `random` is a non-negative integer. */
  featureEnabled(key: string, percent: number, random: number): boolean {
    return random % 100 < Math.min(100, this.integer(key, percent));
  }

  /** The same for a fraction: a whole number in the runtime counts as percent. */
  fractionIncludes(key: string, numerator: number, denominator: number, random: number): boolean {
    const value = this.values.size === 0 ? undefined : this.values.get(key);
    if (value?.fraction !== undefined) return random % value.fraction.denominator < value.fraction.numerator;
    const percent = integerOf(value);
    return percent === undefined ? random % denominator < numerator : random % 100 < percent;
  }
}

function integerOf(value: RuntimeValue | undefined): number | undefined {
  const number = value?.number;
  return number !== undefined && number >= 0 && Number.isInteger(number) ? number : undefined;
}

/** envoy.config.core.v3.RuntimeFractionalPercent compiled: which requests are within it. */
export class RuntimeFraction {
  private readonly runtime: Runtime;
  private readonly key: string;
  private readonly numerator: number;
  private readonly denominator: number;

  /** Without a default the key alone decides, and none of the requests are in when it is not set. */
  constructor(message: envoy.config.core.v3.RuntimeFractionalPercent, runtime: Runtime) {
    this.runtime = runtime;
    this.key = message.runtimeKey;
    this.numerator = message.defaultValue?.numerator ?? 0;
    this.denominator = denominators[message.defaultValue?.denominator ?? 0];
  }

  /** `random` is a non-negative integer. */
  includes(random: number): boolean {
    if (this.key === '') return random % this.denominator < this.numerator;
    return this.runtime.fractionIncludes(this.key, this.numerator, this.denominator, random);
  }
}

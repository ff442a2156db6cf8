/** The runtime of the process (control path): layers of values, a later one over an earlier; the admin layer may be changed. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { denominators, Runtime, type RuntimeValue, type RuntimeValues } from '../common/runtime.ts';
import { RUNTIME } from '../common/stats/layouts.ts';
import type { StatsStore } from '../spi/stats.ts';

type LayeredRuntime = envoy.config.bootstrap.v3.LayeredRuntime;

interface Layer {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly values: Map<string, RuntimeValue>;
}

/** One key as `/runtime` shows it: its text in each layer, empty where it has none. */
export interface RuntimeEntry {
  readonly key: string;
  readonly layerValues: readonly string[];
  readonly finalValue: string;
}

export class RuntimeLayers {
  private layers: readonly Layer[];
  private readonly stats: Float64Array;
  /** The values that hold, kept as they change. */
  readonly current: Runtime = new Runtime();

  /** A runtime without layers has one for the admin interface; no runtime at all has none. */
  constructor(message: LayeredRuntime | undefined, store: StatsStore) {
    this.stats = store.block(RUNTIME, 'runtime.');
    this.layers = layersOf(message);
    // Envoy loads once when it starts and again when its layers are complete.
    this.count();
    this.count();
  }

  get layerNames(): readonly string[] {
    return this.layers.map((layer) => layer.name);
  }

  /** What holds now, for workers. */
  values(): RuntimeValues {
    return new Map(this.layers.flatMap((layer) => [...layer.values]));
  }

  entries(): readonly RuntimeEntry[] {
    return [...this.values()].map(([key, { text }]) => ({
      key,
      layerValues: this.layers.map((layer) => layer.values.get(key)?.text ?? ''),
      finalValue: text,
    }));
  }

  /** Sets keys in the admin layer; an empty text takes a key out of it. False when there is no admin layer. */
  modify(changes: Iterable<readonly [key: string, text: string]>): boolean {
    const admin = this.layers.find((layer) => layer.isAdmin);
    if (admin === undefined) return false;
    for (const [key, text] of changes) {
      if (text === '') admin.values.delete(key);
      else admin.values.set(key, valueOfText(text));
    }
    this.count();
    return true;
  }

  /** Takes the layers of a bootstrap that was loaded again; what was set through the admin interface stays. */
  replace(message: LayeredRuntime | undefined): void {
    const before = this.layers.find((layer) => layer.isAdmin);
    this.layers = layersOf(message);
    const admin = this.layers.find((layer) => layer.isAdmin);
    for (const [key, value] of before?.values ?? []) admin?.values.set(key, value);
    this.count();
  }

  private count(): void {
    const { stats, layers } = this;
    const { slot } = RUNTIME;
    const values = this.values();
    this.current.load(values);
    stats[slot.load_success]++;
    stats[slot.override_dir_not_exists]++;
    stats[slot.num_layers] = layers.length;
    stats[slot.num_keys] = values.size;
    stats[slot.admin_overrides_active] = layers.some((layer) => layer.isAdmin && layer.values.size > 0) ? 1 : 0;
  }
}

function layersOf(message: LayeredRuntime | undefined): Layer[] {
  const layers = message?.layers.map(makeLayer) ?? [];
  if (message !== undefined && layers.length === 0) layers.push({ name: '', isAdmin: true, values: new Map() });
  return layers;
}

function makeLayer({ name, layerSpecifier: layer }: envoy.config.bootstrap.v3.RuntimeLayer): Layer {
  const values = new Map<string, RuntimeValue>();
  if (layer.case === 'staticLayer') flatten('', layer.value, values);
  return { name, isAdmin: layer.case === 'adminLayer', values };
}

/** Nested structs are keys joined by dots; a struct that is a fraction, or empty, is a value. */
function flatten(prefix: string, struct: JsonObject, into: Map<string, RuntimeValue>): void {
  for (const [name, value] of Object.entries(struct)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (isStruct(value) && Object.keys(value).length > 0 && fractionOf(value) === undefined) flatten(key, value, into);
    else into.set(key, valueOfJson(value));
  }
}

function valueOfJson(value: JsonValue): RuntimeValue {
  if (typeof value === 'string') return valueOfText(value);
  if (typeof value === 'number') return { text: String(value), number: value };
  if (typeof value === 'boolean') return { text: String(value), boolean: value };
  return { text: JSON.stringify(value), fraction: isStruct(value) ? fractionOf(value) : undefined };
}

/** A text is read as a number, a truth value or a fraction, whichever it is. */
function valueOfText(text: string): RuntimeValue {
  const trimmed = text.trim();
  if (trimmed !== '' && /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(trimmed) && !Number.isNaN(Number(trimmed))) {
    return { text, number: Number(trimmed) };
  }
  if (/^(true|false)$/i.test(trimmed)) return { text, boolean: trimmed.toLowerCase() === 'true' };
  return { text, fraction: fractionOfText(trimmed) };
}

/** `{"numerator": 1, "denominator": "HUNDRED"}`, or the same as YAML writes it in one line or in two. */
function fractionOfText(text: string): RuntimeValue['fraction'] {
  const fields = text.replaceAll(/[{}"']/g, ' ').split(/[,\n]/);
  const struct: Record<string, JsonValue> = {};
  for (const field of fields) {
    const [, name, value] = /^\s*(numerator|denominator)\s*:\s*(\w+)\s*$/.exec(field) ?? [];
    if (name === undefined) return undefined;
    struct[name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  return fractionOf(struct);
}

const denominatorNames = ['HUNDRED', 'TEN_THOUSAND', 'MILLION'];

/** Undefined unless the struct holds nothing but a FractionalPercent. */
function fractionOf(struct: JsonObject): RuntimeValue['fraction'] {
  const { numerator = 0, denominator = 0, ...others } = struct;
  if (Object.keys(others).length > 0 || Object.keys(struct).length === 0 || typeof numerator !== 'number')
    return undefined;
  const index = typeof denominator === 'number' ? denominator : denominatorNames.indexOf(String(denominator));
  const found = denominators[index];
  return found === undefined ? undefined : { numerator, denominator: found };
}

function isStruct(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

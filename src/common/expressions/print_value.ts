/** Values of CEL expressions as Envoy prints them: as text, and as JSON (`%CEL()%` and `%TYPED_CEL()%`). */
import type { CelValue } from '@bufbuild/cel';
import { isMessage } from '@bufbuild/protobuf';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { celEngine } from './cel.ts';

/** Text of one char a byte. Envoy shows no more of a list, a map or a type than what it is. */
export function celText(value: unknown): string {
  const { isCelList, isCelMap, isCelUint } = celEngine();
  if (value === null) return 'NULL';
  if (typeof value === 'number') return doubleText(value);
  if (isCelUint(value)) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (isCelList(value)) return 'CelList value';
  if (isCelMap(value)) return 'CelMap value';
  if (typeof value !== 'object') return String(value);
  const time = timeOf(value);
  if (time === undefined) return 'CelType value';
  return time.isDuration ? durationText(time.nanos) : `${timestampText(time.nanos)}+00:00`;
}

/** As protobuf's JSON has it: durations in seconds, bytes in base64; null for what has no JSON. */
export function celJson(value: unknown): string | number | boolean | object | null {
  const { isCelList, isCelMap, isCelUint } = celEngine();
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (isCelUint(value)) return Number(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isCelList(value)) return [...value].map(celJson);
  if (isCelMap(value)) {
    const entries = [...value.entries()] as [unknown, CelValue][];
    const fields = entries.map(([key, member]): [string, unknown] => [String(key), celJson(member)]);
    return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  const time = typeof value === 'object' && value !== null ? timeOf(value) : undefined;
  if (time === undefined) return null;
  return time.isDuration ? `${secondsText(time.nanos)}s` : `${timestampText(time.nanos, true)}Z`;
}

/** `%g` with six digits. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  const [digits, exponent] = value.toExponential(5).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(value.toPrecision(6)));
  return `${Number(digits)}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

interface Time {
  readonly isDuration: boolean;
  readonly nanos: bigint;
}

/** The engine gives messages by reflection, attributes as they are. */
function timeOf(value: object): Time | undefined {
  const message = 'message' in value ? (value.message as object) : value;
  const isDuration = isMessage(message, DurationSchema);
  if (!isDuration && !isMessage(message, TimestampSchema)) return undefined;
  return { isDuration, nanos: message.seconds * BigInt(1e9) + BigInt(message.nanos) };
}

const second = BigInt(1e9);

/** Nanoseconds as seconds with 0, 3, 6 or 9 decimals. */
function secondsText(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${size / second}${decimals(size % second)}`;
}

function decimals(nanos: bigint): string {
  if (nanos === 0n) return '';
  return `.${String(nanos)
    .padStart(9, '0')
    .replace(/(000){1,2}$/, '')}`;
}

function timestampText(nanos: bigint, inGroups = false): string {
  const rest = ((nanos % second) + second) % second;
  const text = new Date(Number((nanos - rest) / BigInt(1e6))).toISOString().slice(0, 19);
  return text + (inGroups ? decimals(rest) : decimals(rest).replace(/0+$/, ''));
}

/** As absl::FormatDuration: `1h1m1.5s`, below a second `2.55ms`, `568.133us` or `7ns`. */
function durationText(nanos: bigint): string {
  const sign = nanos < 0n ? '-' : '';
  const size = Number(nanos < 0n ? -nanos : nanos);
  if (size === 0) return '0';
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${size / 1e3}us`;
  if (size < 1e9) return `${sign}${size / 1e6}ms`;
  const hours = Math.floor(size / 3.6e12);
  const minutes = Math.floor(size / 6e10) % 60;
  const seconds = (size % 6e10) / 1e9;
  return `${sign}${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`;
}

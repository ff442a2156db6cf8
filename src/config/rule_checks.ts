/** The rule kinds of protoc-gen-validate for single values, each with the reason a reader is told. */
import type { DescField } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';

/** A rules message, e.g. StringRules: only the rules that were written are own properties (proto2 presence). */
export type Rules = { readonly [rule: string]: unknown };

/** Undefined when the value keeps the rules; else the reason, to be read after the field's name: `must be at least 1`. */
export function checkValue(kind: string, rules: Rules, value: unknown, field: DescField): string | undefined {
  switch (kind) {
    case 'string':
      return checkString(rules, value as string);
    case 'bytes':
      return checkBytes(rules, value as Uint8Array);
    case 'enum':
      return checkEnum(rules, value as number, field);
    case 'bool':
      return own(rules, 'const') && value !== rules['const'] ? `must be ${rules['const']}` : undefined;
    case 'duration':
      return checkDuration(rules, value as Duration);
    case 'timestamp':
      return undefined;
    default:
      return checkNumber(rules, value as number | bigint);
  }
}

function checkNumber(rules: Rules, value: number | bigint): string | undefined {
  if (rules['ignoreEmpty'] === true && Number(value) === 0) return undefined;
  return checkBounds(rules, value, (bound) => bound as number | bigint, String) ?? checkSets(rules, value);
}

function checkDuration(rules: Rules, value: Duration): string | undefined {
  return checkBounds(rules, nanoseconds(value), (bound) => nanoseconds(bound as Duration), durationText);
}

/** `toNumber` makes bound and value comparable; when the upper bound is below the lower one, the value must be outside. */
function checkBounds(
  rules: Rules,
  value: number | bigint,
  toNumber: (bound: unknown) => number | bigint,
  print: (value: number | bigint) => string,
): string | undefined {
  const bound = (name: string) => (own(rules, name) && rules[name] !== undefined ? toNumber(rules[name]) : undefined);
  const gt = bound('gt');
  const gte = bound('gte');
  const lt = bound('lt');
  const lte = bound('lte');
  const equal = bound('const');
  if (equal !== undefined && value !== equal) return `must be ${print(equal)}, is ${print(value)}`;
  const tooLow = (gt !== undefined && value <= gt) || (gte !== undefined && value < gte);
  const tooHigh = (lt !== undefined && value >= lt) || (lte !== undefined && value > lte);
  const low = gt ?? gte;
  const high = lt ?? lte;
  if (Number.isNaN(value as number) && (low ?? high) !== undefined) return 'must be a number, is NaN';
  if (low !== undefined && high !== undefined && high < low) {
    return tooLow && tooHigh ? `must not lie between ${print(high)} and ${print(low)}, is ${print(value)}` : undefined;
  }
  if (tooLow) return `must be ${gt === undefined ? 'at least' : 'greater than'} ${print(low!)}, is ${print(value)}`;
  if (tooHigh) return `must be ${lt === undefined ? 'at most' : 'less than'} ${print(high!)}, is ${print(value)}`;
  return undefined;
}

function checkSets(rules: Rules, value: unknown): string | undefined {
  const allowed = rules['in'] as unknown[] | undefined;
  const forbidden = rules['notIn'] as unknown[] | undefined;
  if (allowed !== undefined && allowed.length > 0 && !allowed.includes(value))
    return `must be one of ${allowed.join(', ')}`;
  if (forbidden?.includes(value)) return `must not be ${value}`;
  return undefined;
}

function checkString(rules: Rules, value: string): string | undefined {
  if (rules['ignoreEmpty'] === true && value === '') return undefined;
  const length = [...value].length;
  return (
    checkLength(rules, 'minLen', 'maxLen', length, 'character') ??
    checkLength(rules, 'minBytes', 'maxBytes', Buffer.byteLength(value), 'byte') ??
    checkSets(rules, value) ??
    checkText(rules, value) ??
    checkWellKnown(rules, value)
  );
}

function checkText(rules: Rules, value: string): string | undefined {
  if (own(rules, 'const') && value !== rules['const']) return `must be '${rules['const']}'`;
  if (own(rules, 'prefix') && !value.startsWith(rules['prefix'] as string))
    return `must begin with '${rules['prefix']}'`;
  if (own(rules, 'suffix') && !value.endsWith(rules['suffix'] as string)) return `must end with '${rules['suffix']}'`;
  if (own(rules, 'contains') && !value.includes(rules['contains'] as string))
    return `must contain '${rules['contains']}'`;
  if (own(rules, 'notContains') && value.includes(rules['notContains'] as string)) {
    return `must not contain '${rules['notContains']}'`;
  }
  if (own(rules, 'pattern') && !pattern(rules['pattern'] as string).test(value))
    return `must match ${rules['pattern']}`;
  return undefined;
}

const headerName = { strict: /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/, loose: /^[^\0\n\r]+$/ };
const headerValue = { strict: /^[^\0-\x08\x0a-\x1f\x7f]*$/, loose: /^[^\0\n\r]*$/ };

function checkWellKnown(rules: Rules, value: string): string | undefined {
  const known = rules['wellKnown'] as { case: string | undefined; value: unknown } | undefined;
  if (known?.case === undefined) return undefined;
  const strictness = own(rules, 'strict') && rules['strict'] === false ? 'loose' : 'strict';
  switch (known.case) {
    case 'wellKnownRegex':
      // KnownRegex: 1 HTTP_HEADER_NAME, 2 HTTP_HEADER_VALUE. An empty name is what min_len is for.
      if (known.value === 1 && value !== '' && !headerName[strictness].test(value)) return 'is not a valid header name';
      if (known.value === 2 && !headerValue[strictness].test(value)) return 'has a character no header value may have';
      return undefined;
    case 'uri':
      return URL.canParse(value) ? undefined : 'is not an absolute URI';
    default:
      return undefined;
  }
}

function checkBytes(rules: Rules, value: Uint8Array): string | undefined {
  if (rules['ignoreEmpty'] === true && value.length === 0) return undefined;
  return checkLength(rules, 'minLen', 'maxLen', value.length, 'byte');
}

function checkLength(rules: Rules, min: string, max: string, length: number, unit: string): string | undefined {
  if (own(rules, min) && length < (rules[min] as bigint)) {
    return rules[min] === 1n ? 'must not be empty' : `must have at least ${rules[min]} ${unit}s, has ${length}`;
  }
  if (own(rules, max) && length > (rules[max] as bigint))
    return `must have at most ${rules[max]} ${unit}s, has ${length}`;
  return undefined;
}

function checkEnum(rules: Rules, value: number, field: DescField): string | undefined {
  const known = field.enum?.value[value];
  if (rules['definedOnly'] === true && known === undefined) {
    return `must be one of ${field.enum?.values.map((v) => v.name).join(', ')}, is ${value}`;
  }
  if ((rules['notIn'] as number[] | undefined)?.includes(value)) return `must not be ${known?.name ?? value}`;
  const allowed = rules['in'] as number[] | undefined;
  if (allowed !== undefined && allowed.length > 0 && !allowed.includes(value))
    return `must not be ${known?.name ?? value}`;
  return undefined;
}

const patterns = new Map<string, RegExp>();

function pattern(source: string): RegExp {
  let compiled = patterns.get(source);
  if (compiled === undefined) {
    compiled = new RegExp(source, 'u');
    patterns.set(source, compiled);
  }
  return compiled;
}

function own(rules: Rules, rule: string): boolean {
  return Object.hasOwn(rules, rule);
}

function nanoseconds(duration: Duration): bigint {
  return duration.seconds * 1_000_000_000n + BigInt(duration.nanos);
}

function durationText(value: number | bigint): string {
  return `${Number(value) / 1e9}s`;
}

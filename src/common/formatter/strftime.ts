/** Envoy's time formats: strftime in the C locale with sub-second extensions, rendered once a second (START_TIME, EMIT_TIME). */

/** Formats milliseconds since 1970, with fraction. */
export type TimeFormat = (milliseconds: number) => string;

/** Digits of a second's fraction: 1-9 of them, or as many as are not zero, with or without the dot before them. */
type Fraction = number | 'trimmed' | 'dotTrimmed';

/** Broken-down time: `date` is shifted by the zone's offset, so that its UTC getters give the wanted fields. */
interface BrokenTime {
  readonly date: Date;
  readonly epochSeconds: number;
  /** Minutes east of UTC. */
  readonly offset: number;
  readonly zone: string;
}

type Field = (time: BrokenTime) => string;

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** `%n` in any of its spellings: a line feed must not get into a header. */
export const TIME_FORMAT_NEWLINE = /%[-_0^#]*[1-9]*(?:E|O)?n/;

const CONVERSION = /%(?:([1-9])f|E(\d|\*)([Sf])|(f)|(E4Y)|(E\*z|::z)|(Ez|:z)|(ET)|([-_0^#]*)(\d*)[EO]?([A-Za-z%+]))/y;

/** Compiles a format; every text is one, what is no conversion stays as it is. `local` uses the process' time zone. */
export function compileTimeFormat(format: string, local = false): TimeFormat {
  // chunks[i] holds what changes with the second, before fraction i; the last chunk follows the last fraction.
  const chunks: Field[][] = [[]];
  const fractions: Fraction[] = [];
  const add = (field: Field) => chunks[chunks.length - 1].push(field);
  const addFraction = (fraction: Fraction) => {
    fractions.push(fraction);
    chunks.push([]);
  };
  for (let at = 0; at < format.length; ) {
    CONVERSION.lastIndex = at;
    const match = format[at] === '%' ? CONVERSION.exec(format) : null;
    if (match === null) {
      const next = format.indexOf('%', at + 1);
      const literal = format.slice(at, next < 0 ? format.length : next);
      add(() => literal);
      at += literal.length;
      continue;
    }
    at += match[0].length;
    const [whole, digits, extended, extendedKind, fraction, year4, zoneSeconds, zone, letterT, flags, width, letter] =
      match;
    if (digits !== undefined) addFraction(Number(digits));
    else if (fraction !== undefined) addFraction(9);
    else if (extended !== undefined) addExtended(extended, extendedKind, add, addFraction);
    else if (year4 !== undefined) add((time) => pad(time.date.getUTCFullYear(), 4, '0'));
    else if (zoneSeconds !== undefined) add((time) => `${zoneText(time, ':')}:00`);
    else if (zone !== undefined) add((time) => zoneText(time, ':'));
    else if (letterT !== undefined) add(() => 'T');
    else add(conversion(whole, letter, flags, width));
  }
  return cachedBySecond(chunks, fractions, local);
}

function addExtended(count: string, kind: string, add: (field: Field) => void, addFraction: (f: Fraction) => void) {
  if (kind === 'S') add(seconds);
  if (count === '*') addFraction(kind === 'S' ? 'dotTrimmed' : 'trimmed');
  else if (count !== '0') {
    if (kind === 'S') add(() => '.');
    addFraction(Number(count));
  }
}

function cachedBySecond(chunks: Field[][], fractions: Fraction[], local: boolean): TimeFormat {
  let second = Number.NaN;
  let texts: string[] = [];
  return (milliseconds) => {
    const now = Math.floor(milliseconds / 1000);
    if (now !== second) {
      second = now;
      const time = breakDown(now, local);
      texts = chunks.map((fields) => fields.map((field) => field(time)).join(''));
    }
    let text = texts[0];
    if (fractions.length > 0) {
      const micros = Math.min(999_999, Math.round((milliseconds - now * 1000) * 1000));
      for (let i = 0; i < fractions.length; i++) text += fractionText(micros, fractions[i]) + texts[i + 1];
    }
    return text;
  };
}

function breakDown(epochSeconds: number, local: boolean): BrokenTime {
  const at = new Date(epochSeconds * 1000);
  if (!local) return { date: at, epochSeconds, offset: 0, zone: 'UTC' };
  const offset = -at.getTimezoneOffset();
  return { date: new Date(epochSeconds * 1000 + offset * 60_000), epochSeconds, offset, zone: zoneName(at) };
}

/** `EST`, `CET`: no locale abbreviates all zones, some say `GMT+1`. */
function zoneName(at: Date): string {
  const [american, british] = ['en-US', 'en-GB'].map((locale) => {
    const parts = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' }).formatToParts(at);
    return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  });
  return american.startsWith('GMT') ? british : american;
}

/** Envoy's clock has microseconds; longer fractions end in zeros. */
function fractionText(micros: number, fraction: Fraction): string {
  if (fraction === 3) return threeDigits[Math.floor(micros / 1000)];
  const six = String(micros).padStart(6, '0');
  if (typeof fraction === 'number') return fraction <= 6 ? six.slice(0, fraction) : six.padEnd(fraction, '0');
  const trimmed = six.replace(/0+$/, '');
  return fraction === 'dotTrimmed' && trimmed !== '' ? `.${trimmed}` : trimmed;
}

const threeDigits = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));

const pad = (value: number | string, width: number, fill: string) => String(value).padStart(width, fill);
const seconds: Field = ({ date }) => pad(date.getUTCSeconds(), 2, '0');
const hour12 = (date: Date) => date.getUTCHours() % 12 || 12;
const dayOfYear = (date: Date) => Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
/** Weeks of the year that have begun, a week beginning on `first` (0 Sunday, 1 Monday). */
const weekOfYear = (date: Date, first: number) =>
  Math.floor((dayOfYear(date) + 6 - ((date.getUTCDay() - first + 7) % 7)) / 7);

function zoneText(time: BrokenTime, separator: string): string {
  const minutes = Math.abs(time.offset);
  return `${time.offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2, '0')}${separator}${pad(minutes % 60, 2, '0')}`;
}

/** ISO 8601 week and its year. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getTime());
  thursday.setUTCDate(date.getUTCDate() + 3 - ((date.getUTCDay() + 6) % 7));
  return { year: thursday.getUTCFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 };
}

/** Numbers: value, default width and default fill. */
const numbers: Record<string, [(time: BrokenTime) => number, number, string]> = {
  C: [({ date }) => Math.floor(date.getUTCFullYear() / 100), 2, '0'],
  d: [({ date }) => date.getUTCDate(), 2, '0'],
  e: [({ date }) => date.getUTCDate(), 2, ' '],
  g: [({ date }) => isoWeek(date).year % 100, 2, '0'],
  G: [({ date }) => isoWeek(date).year, 4, '0'],
  H: [({ date }) => date.getUTCHours(), 2, '0'],
  I: [({ date }) => hour12(date), 2, '0'],
  j: [({ date }) => dayOfYear(date), 3, '0'],
  k: [({ date }) => date.getUTCHours(), 2, ' '],
  l: [({ date }) => hour12(date), 2, ' '],
  m: [({ date }) => date.getUTCMonth() + 1, 2, '0'],
  M: [({ date }) => date.getUTCMinutes(), 2, '0'],
  s: [({ epochSeconds }) => epochSeconds, 1, '0'],
  S: [({ date }) => date.getUTCSeconds(), 2, '0'],
  u: [({ date }) => date.getUTCDay() || 7, 1, '0'],
  U: [({ date }) => weekOfYear(date, 0), 2, '0'],
  V: [({ date }) => isoWeek(date).week, 2, '0'],
  w: [({ date }) => date.getUTCDay(), 1, '0'],
  W: [({ date }) => weekOfYear(date, 1), 2, '0'],
  y: [({ date }) => date.getUTCFullYear() % 100, 2, '0'],
  Y: [({ date }) => date.getUTCFullYear(), 1, '0'],
};

const words: Record<string, Field> = {
  '%': () => '%',
  a: ({ date }) => DAYS[date.getUTCDay()].slice(0, 3),
  A: ({ date }) => DAYS[date.getUTCDay()],
  b: ({ date }) => MONTHS[date.getUTCMonth()].slice(0, 3),
  B: ({ date }) => MONTHS[date.getUTCMonth()],
  p: ({ date }) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  P: ({ date }) => (date.getUTCHours() < 12 ? 'am' : 'pm'),
  t: () => '\t',
  z: (time) => zoneText(time, ''),
  Z: ({ zone }) => zone,
};
words.h = words.b;

/** Conversions that stand for several others. */
const compounds: Record<string, string> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

function conversion(whole: string, letter: string, flags: string, width: string): Field {
  const number = numbers[letter];
  if (number !== undefined) {
    const [read, usual, fill] = number;
    const wanted = width === '' ? usual : Number(width);
    if (flags.includes('-')) return (time) => String(read(time));
    const filler = flags.includes('_') ? ' ' : flags.includes('0') ? '0' : fill;
    return (time) => pad(read(time), wanted, filler);
  }
  const compound = compounds[letter];
  if (compound !== undefined) {
    const fields = compound.split(/(%\w)/).map((part): Field => {
      return part[0] === '%' ? conversion(part, part[1], '', '') : () => part;
    });
    return (time) => fields.map((field) => field(time)).join('');
  }
  const word = words[letter];
  if (word === undefined) return () => whole;
  if (flags.includes('^')) return (time) => word(time).toUpperCase();
  return word;
}

/** Numbers as the C++ libraries behind Envoy's formats print them. */

/** Shortest exact form. */
export function spelledNumber(value: number): string {
  return Number.isNaN(value) ? 'nan' : String(value);
}

/** printf's %g: six digits, an exponent from a million on. */
export function sixDigits(value: number): string {
  return general(value, 6);
}

/** printf's %.32g: more than a double has, so the exact decimal value. */
export function thirtyTwoDigits(value: number): string {
  return general(value, 32);
}

function general(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= digits || exponent < -4)
    return value.toExponential(digits - 1).replace(/\.?0*e([+-])(\d)$/, 'e$10$2');
  const text = value.toPrecision(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** std::to_chars: exact, and with an exponent when that is shorter (`3e+05`). */
export function shortestNumber(value: number): string {
  const plain = String(value);
  const exponent = value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return exponent.length < plain.length ? exponent : plain;
}

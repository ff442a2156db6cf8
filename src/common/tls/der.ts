/** Reads DER (X.690) element by element, for the few things Node does not tell of certificates, lists and responses. */

export const tag = {
  integer: 0x02,
  octetString: 0x04,
  sequence: 0x30,
  utcTime: 0x17,
  generalizedTime: 0x18,
  context0: 0xa0,
} as const;

/** One element: its tag, where it begins, and where its content lies. */
export interface Element {
  readonly tag: number;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** Throws a RangeError where the bytes end too early. */
export function elementAt(der: Buffer, at: number): Element {
  let start = at + 2;
  let length = der[at + 1];
  if (length > 0x80) {
    const bytes = length & 0x7f;
    length = der.readUIntBE(start, bytes);
    start += bytes;
  }
  if (start + length > der.length) throw new RangeError('the DER is cut short');
  return { tag: der[at], at, start, end: start + length };
}

export function childrenOf(der: Buffer, parent: Element): Element[] {
  const children: Element[] = [];
  for (let at = parent.start; at < parent.end; ) {
    const child = elementAt(der, at);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** Milliseconds since 1970 of `YYMMDDhhmmssZ` with years up to 2049, or `YYYYMMDDhhmmssZ`. */
export function timeOf(der: Buffer, element: Element): number {
  const text = der.toString('latin1', element.start, element.end);
  const full = element.tag === tag.generalizedTime ? text : `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}`;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}

/** In dotted form. */
export function objectIdentifierAt(der: Buffer, element: Element): string {
  const parts: number[] = [];
  let part = 0;
  for (let at = element.start; at < element.end; at++) {
    part = part * 128 + (der[at] & 0x7f);
    if (der[at] < 0x80) {
      parts.push(part);
      part = 0;
    }
  }
  const [first, ...rest] = parts;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** Header names as interned objects that carry their wire form: what every codec and every filter compares by identity. */

/** A lower-case header name. Two `HeaderName`s obtained by `headerName()` with the same text are the same object. */
export interface HeaderName {
  /** Lower-case text; pseudo headers keep their colon. */
  readonly text: string;
  /** `\r\n<name>: `, ready to be appended to an HTTP/1 head before the value. */
  readonly wire: string;
  /** Bits that code above the codec gives to names it treats specially, so that one pass over a map finds them all. */
  flags: number;
  /** For a pass over a map that looks for repeated names: the number of the last pass that met this one. */
  seen: number;
}

const interned = new Map<string, HeaderName>();

/**
 * The one object for this name. Only for names that come from the code or from the configuration: the table never shrinks.
 * Names that come from a peer go through `HeaderNameCache`, which is bounded and finds the objects made here.
 */
export function headerName(text: string): HeaderName {
  const lower = text.toLowerCase();
  let name = interned.get(lower);
  if (name === undefined) {
    name = makeHeaderName(lower);
    interned.set(lower, name);
    generation++;
  }
  return name;
}

/** Counts the names interned so far, so that a cache knows when a name it holds may have gained an interned twin. */
export let generation = 0;

/** The interned object for lower-case text, if code or configuration knows this name. */
export function findHeaderName(lower: string): HeaderName | undefined {
  return interned.get(lower);
}

/** A name object of its own, for a peer's name that nothing in this process looks up. `lower` is lower-case already. */
export function makeHeaderName(lower: string): HeaderName {
  return { text: lower, wire: `\r\n${lower}: `, flags: 0, seen: 0 };
}

/** Envoy's operators that nothing here can answer: a format with one is refused by name instead of printing a wrong value. */

/** Why, by name. */
export const unsupportedOperators: ReadonlyMap<string, string> = new Map([
  ['DOWNSTREAM_CX_RTT', 'Node.js does not tell the round-trip time of a connection'],
]);

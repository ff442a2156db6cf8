/** How header names are spelt on an HTTP/1 wire when not in lower case: by a rule, or as their sender spelt them. */
import type { HeaderName } from './header_name.ts';

export interface HeaderSpelling {
  /** `\r\n<Name>: ` in this spelling. */
  wire(name: HeaderName): string;
  /** The reason phrase of a response, where its sender's is to be kept. */
  readonly reason?: string;
}

/** Envoy's `proper_case_words`: a letter is a capital at the start and behind anything that is no letter or digit. */
class ProperCaseWords implements HeaderSpelling {
  private readonly wires = new WeakMap<HeaderName, string>();

  wire(name: HeaderName): string {
    let wire = this.wires.get(name);
    if (wire === undefined) {
      wire = name.wire.replace(/(?<![a-z0-9])[a-z]/g, (letter) => letter.toUpperCase());
      this.wires.set(name, wire);
    }
    return wire;
  }
}

export const properCaseWords: HeaderSpelling = new ProperCaseWords();

/** Envoy's `preserve_case`: the names of one message as they came, the first spelling of each; others by the fallback. */
export class PreservedCase implements HeaderSpelling {
  private readonly wires = new Map<HeaderName, string>();
  reason = '';
  private readonly fallback: HeaderSpelling | undefined;

  constructor(fallback: HeaderSpelling | undefined) {
    this.fallback = fallback;
  }

  note(name: HeaderName, spelling: string): void {
    if (!this.wires.has(name)) this.wires.set(name, `\r\n${spelling}: `);
  }

  wire(name: HeaderName): string {
    return this.wires.get(name) ?? this.fallback?.wire(name) ?? name.wire;
  }
}

/** Reads the JUnit report of h2spec: one result a case. */

export interface CaseResult {
  /** `section/number: title`. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What was expected and what came. */
  readonly detail: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

export function readReport(xml: string): CaseResult[] {
  const results: CaseResult[] = [];
  for (const [, attributes, body] of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const section = attribute(attributes, 'package');
    const number = results.filter(({ name }) => name.startsWith(`${section}/`)).length + 1;
    const inside = body ?? '';
    const outcome = /<(failure|error)\b/.test(inside) ? 'failed' : inside.includes('<skipped') ? 'skipped' : 'passed';
    const detail = unescapeXml(inside.replace(/<[^>]*>/g, '\n')).trim();
    results.push({ name: `${section}/${number}: ${attribute(attributes, 'classname')}`, outcome, detail });
  }
  return results;
}

function attribute(attributes: string, name: string): string {
  return unescapeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
}

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:#x([0-9A-Fa-f]+)|#(\d+)|(\w+));/g,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      return decimal !== undefined ? String.fromCodePoint(Number(decimal)) : (ENTITIES[name ?? ''] ?? whole);
    },
  );
}

/** What became of the requests of a soak, by kind of traffic. */

/** How long a well-behaved request may take, in milliseconds: the machine may be busy. */
export const patience = 20_000;

export class Tally {
  /** Exactly the answer it had to have. */
  good = 0;
  /** Requests that a peer was meant to spoil, whatever came of them. */
  spoiled = 0;
  failed = 0;
  readonly byKind = new Map<string, number>();
  /** The first of each kind of failure, with how many there were. */
  readonly failures = new Map<string, number>();

  answered(kind: string): void {
    this.good++;
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }

  spoil(kind: string): void {
    this.spoiled++;
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }

  fail(kind: string, why: string): void {
    this.failed++;
    const text = `${kind}: ${why}`.slice(0, 200);
    if (this.failures.size < 50 || this.failures.has(text)) this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
  }
}

/** Rejects with `late` when the work does not end in time; the caller gives up what it holds. */
export function inTime<T>(work: Promise<T>, milliseconds = patience): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error('late')), milliseconds);
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

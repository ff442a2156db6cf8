/** What every fault gets: a good upstream, random numbers, figures that are gathered over its repetitions. */
import type { Random } from '../../test/support/random.ts';
import { respond, startUpstream, type Upstream } from '../../test/support/upstream.ts';

/** Thrown with a sentence when a repetition shows what must not be. */
export class FaultFailed extends Error {}

export function expect(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new FaultFailed(sentence);
}

export class Figures {
  private readonly values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const list = this.values.get(name);
    if (list === undefined) this.values.set(name, [value]);
    else list.push(value);
  }

  /** `name: median (worst)` of each figure. */
  toString(): string {
    return [...this.values]
      .map(([name, list]) => {
        const sorted = list.toSorted((a, b) => a - b);
        return `${name} ${round(sorted[sorted.length >> 1])} (most ${round(sorted.at(-1) ?? 0)})`;
      })
      .join('; ');
  }
}

function round(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value);
}

export interface Fault {
  /** As in the list of faults. */
  readonly name: string;
  /** What the repetitions share, e.g. a proxy; `repeat` runs one. */
  start(context: FaultContext): Promise<RunningFault>;
}

export interface RunningFault {
  repeat(): Promise<void>;
  stop(): Promise<void>;
}

export interface FaultContext {
  readonly random: Random;
  readonly figures: Figures;
}

/** An upstream that answers with the path and the body it got. */
export function startEcho(): Promise<Upstream> {
  return startUpstream({
    respond: (request, socket) => respond(socket, { body: `${request.path} ${request.body.toString('latin1')}` }),
  });
}

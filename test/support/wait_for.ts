/** Polling for what another process does: the only way these suites wait for something they cannot await. */
import { setTimeout as delay } from 'node:timers/promises';

/** Asks `condition` every `everyMs` until it answers something truthy, and returns that; rejects after `withinMs`. */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  { withinMs = 5000, everyMs = 10 }: { withinMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > deadline) throw new Error(`no ${what} within ${withinMs} ms`);
    await delay(everyMs);
  }
}

/** Resolves after `ms`; only for what is about time itself, e.g. that a peer stays silent. */
export { delay };

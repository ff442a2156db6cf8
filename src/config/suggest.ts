/** Did-you-mean: the names nearest to what was written. */

/** The candidate nearest to the word, up to `count` of them when they are equally near; empty when none is near. */
export function nearest(word: string, candidates: Iterable<string>, count = 1): string[] {
  const wanted = normal(word);
  if (wanted.length < 3) return [];
  const limit = Math.min(8, Math.floor(wanted.length / 3));
  const found: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const name = normal(candidate);
    if (Math.abs(name.length - wanted.length) > limit) continue;
    const distance = editDistance(wanted, name, limit);
    if (distance <= limit) found.push({ candidate, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  const best = found.filter((entry) => entry.distance === found[0].distance);
  return best.slice(0, count).map((entry) => entry.candidate);
}

/** `did you mean 'a' or 'b'?`, or undefined when nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>, count = 1): string | undefined {
  const names = nearest(word, candidates, count);
  return names.length === 0 ? undefined : `did you mean ${names.map((name) => `'${name}'`).join(' or ')}?`;
}

function normal(name: string): string {
  return name.replace(/[_\-\s]/g, '').toLowerCase();
}

/** Insertions, deletions, replacements and swaps of neighbours; anything above `limit` comes back as more than `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2] + 1);
      row.push(cost);
      if (cost < best) best = cost;
    }
    if (best > limit) return best;
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

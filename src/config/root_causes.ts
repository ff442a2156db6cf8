/** What is left out of the errors of a configuration because another one says it (control path, step 2). */
import type { Diagnostic } from './diagnostic.ts';

const unsupported = / is not supported yet$/;

/** Each mistake once. */
export function rootCauses(errors: readonly Diagnostic[]): Diagnostic[] {
  return withoutEchoes(withoutTypos(withoutRepeats(errors)));
}

/** Two checks may find the same: the deeper place tells more. */
function withoutRepeats(errors: readonly Diagnostic[]): Diagnostic[] {
  const deepest = new Map<string, Diagnostic>();
  const kept = errors.filter((error) => {
    const key = `${error.line}:${error.path}:${error.reason}`;
    if (deepest.has(key)) return false;
    deepest.set(key, error);
    return true;
  });
  return kept.filter(({ line, path, reason }) => !deepest.has(`${line}:${path}.filename:${reason}`));
}

/** A field that is missing because it is written with a mistake, which has been found. */
function withoutTypos(errors: readonly Diagnostic[]): Diagnostic[] {
  const meant = new Set<string>();
  for (const { path, reason, hint = '' } of errors) {
    const name = reason.startsWith('unknown field ') ? /^did you mean '(\w+)'\?$/.exec(hint)?.[1] : undefined;
    if (name !== undefined) meant.add(path.slice(0, path.lastIndexOf('.') + 1) + name);
  }
  return errors.filter(({ path, reason }) => !meant.has(path) || !/^'\w+' is required\b/.test(reason));
}

/** Without what stands below something that is not supported at all: it has to go, whatever is in it. */
function withoutEchoes(errors: readonly Diagnostic[]): Diagnostic[] {
  const gone = new Set<string>();
  for (const { path, reason } of errors) if (path !== '' && unsupported.test(reason)) gone.add(path);
  return errors.filter(({ path, reason }) => {
    for (let end = lastStep(path, path.length); end > 0; end = lastStep(path, end)) {
      if (gone.has(path.slice(0, end))) return false;
    }
    // An extension is known by its type; its name, where it counts, says the same again.
    const isName = path.endsWith('.name') && unsupported.test(reason);
    return !isName || !gone.has(`${path.slice(0, -'name'.length)}typed_config`);
  });
}

/** Where the last field or index of a path begins. */
function lastStep(path: string, end: number): number {
  return Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1));
}

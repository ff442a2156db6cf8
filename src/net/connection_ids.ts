/** Numbers of connections, for logs: each once in the process, whichever worker has it and however often one is started again. */

let ids: { readonly words: Int32Array; readonly index: number } = { words: new Int32Array(1), index: 0 };

/** `index` names the word that all workers count with. */
export function shareConnectionIds(words: Int32Array, index: number): void {
  ids = { words, index };
}

/** From 1 on. */
export function nextConnectionId(): number {
  return (Atomics.add(ids.words, ids.index, 1) + 1) >>> 0;
}

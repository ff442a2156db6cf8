/**
 * How many sockets the workers may hold open together: a process without a free descriptor can neither reach a host nor answer
 * its admin, and libuv spins over what it cannot accept.
 */

export interface SocketBudget {
  readonly words: Int32Array;
  /** This worker's part, taken back when it dies. */
  readonly ledger: Int32Array;
  /** Index of the word that counts. */
  readonly index: number;
  /** Sockets of all workers together. */
  readonly most: number;
}

let budget: SocketBudget = {
  words: new Int32Array(1),
  ledger: new Int32Array(1),
  index: 0,
  most: Number.POSITIVE_INFINITY,
};

export function setSocketBudget(given: SocketBudget): void {
  budget = given;
}

export function countSocket(difference: 1 | -1): void {
  const { words, ledger, index } = budget;
  ledger[index] += difference;
  Atomics.add(words, index, difference);
}

/** Clients are let in up to three quarters, so that those inside still find a socket to their host. */
export function roomForClient(): boolean {
  return open() <= budget.most * 0.75;
}

export function roomForHost(): boolean {
  return open() <= budget.most;
}

function open(): number {
  return Atomics.load(budget.words, budget.index);
}

/** How many sockets the workers may hold open: what the system lets a process have, less what it needs for itself. */
import { readFileSync } from 'node:fs';

/** Of the process: event loops, logs, the admin listener and its clients, DNS. */
const reserve = 64;
/** Of each worker: its event loop, listeners, access logs. */
const reserveOfWorker = 16;

/** Infinity where the limit cannot be known. Node has raised the soft limit to the hard one by now. */
export function mostSockets(concurrency: number, limits: string = readLimits()): number {
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
  if (soft === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(8, Number(soft) - reserve - reserveOfWorker * concurrency);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return ''; // not Linux
  }
}

/** The frame around every socket event: catches faults of one connection's code, and flushes once a loop turn. */
import type { Connection } from './connection.ts';

type Handler = (connection: Connection, bytes: Buffer, length: number) => void;

const noBytes = Buffer.alloc(0);
const dirty: Connection[] = [];
let onFault: (error: unknown, connection: Connection | undefined) => void = () => {};

/** Who logs and counts an exception that left the code of one connection. */
export function setFaultHandler(handler: (error: unknown, connection: Connection | undefined) => void): void {
  onFault = handler;
}

/** A connection that has gathered output: flushed at the end of the loop turn. */
export function markDirty(connection: Connection): void {
  if (connection.dirty) return;
  connection.dirty = true;
  dirty.push(connection);
  if (!scheduled) schedule();
}

/** Work put off to the end of the loop turn, when no codec is in the middle of its bytes. */
export interface LaterTask {
  runLater(): void;
}

const later: LaterTask[] = [];

export function runLater(task: LaterTask): void {
  later.push(task);
  if (!scheduled) schedule();
}

let scheduled = false;

/**
 * Output goes out once a loop turn, behind all events of the turn: a burst of writes finds the peer's process running,
 * where a write after each event would wake it every time (14 % of the CPU a request, most of it in the kernel).
 */
function schedule(): void {
  scheduled = true;
  setImmediate(endTurn);
}

function endTurn(): void {
  scheduled = false;
  for (let i = 0; i < later.length; i++) guard(runTask, later[i]);
  later.length = 0;
  for (let i = 0; i < dirty.length; i++) guard(flush, dirty[i]);
  dirty.length = 0;
}

function guard<T>(work: (subject: T) => void, subject: T): void {
  try {
    work(subject);
  } catch (error) {
    onFault(error, undefined);
  }
}

function runTask(task: LaterTask): void {
  task.runLater();
}

function flush(connection: Connection): void {
  if (connection.dirty) connection.flush();
}

/** Runs a handler for a connection; an exception ends that connection, never the thread. */
export function runEvent(connection: Connection, handler: Handler, bytes: Buffer = noBytes, length = 0): void {
  try {
    handler(connection, bytes, length);
  } catch (error) {
    onFault(error, connection);
    connection.closeNow();
  }
}

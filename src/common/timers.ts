/**
 * Timers of a thread without an object or a closure a request: lists of equal durations, in the order they end.
 * Starting and stopping is linking and unlinking; one Node timer serves them all (a Node timer of its own costs 0.9 µs).
 */
import { now, tick } from './clock.ts';

/** What a timer tells: `kind` says which of the owner's timers it was. */
export interface TimerOwner {
  onTimer(kind: number): void;
}

/** Durations above this are cut, as Node's timers would fire at once. About 24 days. */
const longest = 2_147_483_647;

class DurationList {
  readonly duration: number;
  head: Timer | undefined;
  tail: Timer | undefined;
  constructor(duration: number) {
    this.duration = duration;
  }
}

/** One restartable timer; make it with its owner and start it as often as needed. */
export class Timer {
  private readonly owner: TimerOwner;
  private readonly kind: number;
  deadline = 0;
  list: DurationList | undefined;
  previous: Timer | undefined;
  next: Timer | undefined;

  constructor(owner: TimerOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  get running(): boolean {
    return this.list !== undefined;
  }

  /** (Re)starts the timer: it fires once, `milliseconds` from now, never early. */
  start(milliseconds: number): void {
    if (this.list !== undefined) unlink(this);
    const duration = Math.min(Math.ceil(milliseconds), longest);
    this.deadline = now + duration;
    append(listOf(duration), this);
    if (this.deadline < armedFor) arm(this.deadline);
  }

  stop(): void {
    if (this.list !== undefined) unlink(this);
  }

  fire(): void {
    this.owner.onTimer(this.kind);
  }
}

const lists = new Map<number, DurationList>();
let armedFor = Number.POSITIVE_INFINITY;
let armed: NodeJS.Timeout | undefined;
let onFault: (error: unknown) => void = (error) => {
  throw error;
};

/** Who logs and counts an exception out of a timer's owner. */
export function setTimerFaultHandler(handler: (error: unknown) => void): void {
  onFault = handler;
}

function listOf(duration: number): DurationList {
  let list = lists.get(duration);
  if (list === undefined) {
    list = new DurationList(duration);
    lists.set(duration, list);
  }
  return list;
}

function append(list: DurationList, timer: Timer): void {
  timer.list = list;
  timer.previous = list.tail;
  timer.next = undefined;
  if (list.tail === undefined) list.head = timer;
  else list.tail.next = timer;
  list.tail = timer;
}

function unlink(timer: Timer): void {
  const list = timer.list!;
  if (timer.previous === undefined) list.head = timer.next;
  else timer.previous.next = timer.next;
  if (timer.next === undefined) list.tail = timer.previous;
  else timer.next.previous = timer.previous;
  timer.list = undefined;
  timer.previous = undefined;
  timer.next = undefined;
}

function arm(deadline: number): void {
  if (armed !== undefined) clearTimeout(armed);
  armedFor = deadline;
  armed = setTimeout(run, Math.max(1, Math.ceil(deadline - now)));
  // It outlives the timers it was armed for: not what a thread stays for.
  armed.unref();
}

function run(): void {
  armed = undefined;
  armedFor = Number.POSITIVE_INFINITY;
  tick();
  fireDue();
  let earliest = Number.POSITIVE_INFINITY;
  for (const list of lists.values()) {
    if (list.head !== undefined) earliest = Math.min(earliest, list.head.deadline);
    // Only durations in use stay: random back-off times must not fill the table.
    else lists.delete(list.duration);
  }
  if (earliest < armedFor) arm(earliest);
}

/** In the order of deadlines, also when the thread was held up and several lists are late. */
function fireDue(): void {
  let due = [...lists.values()].filter(isDue);
  while (due.length > 0) {
    let first = due[0];
    for (const list of due) if (list.head!.deadline < first.head!.deadline) first = list;
    fire(first.head!);
    if (due.length > 1 || !isDue(first)) due = due.filter(isDue);
  }
}

function isDue({ head }: DurationList): boolean {
  return head !== undefined && head.deadline <= now;
}

function fire(timer: Timer): void {
  unlink(timer);
  try {
    timer.fire();
  } catch (error) {
    onFault(error);
  }
}

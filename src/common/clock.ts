/** The thread's clock: read once an event by `tick()`, shared by everything that happens in the event. */

/** Monotonic milliseconds, as of the last `tick()`. */
export let now = performance.now();

/** Wall clock minus monotonic clock, refreshed once a second, so that an adjusted system clock never moves a timeout. */
let wallOffset = Date.now() - now;
let wallReadAt = now;

let dateText = '';
let dateSecond = -1;

/** Reads the monotonic clock; called at the start of every socket or timer event. */
export function tick(): number {
  now = performance.now();
  if (now - wallReadAt >= 1000) {
    wallReadAt = now;
    wallOffset = Date.now() - now;
  }
  return now;
}

/** Milliseconds since 1970, with fraction, as of the last `tick()`. */
export function wallNow(): number {
  return now + wallOffset;
}

/** The value of a `date` header (RFC 9110 section 5.6.7), made once a second. */
export function httpDate(): string {
  const second = Math.floor(wallNow() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

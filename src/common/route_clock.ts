/** Whether a format asks how long looking for a route takes: until one does no request reads the clock for it. */
export const routeClock = { asked: false };

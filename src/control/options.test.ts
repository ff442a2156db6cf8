import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText, parseErrorText } from './command_line.ts';
import { OWN_FLAGS } from './option_flags.ts';
import { type Options, parseOptions } from './options.ts';
import recorded from './testdata/options.expected.json' with { type: 'json' };

const options = (...argv: string[]): Options => {
  const parsed = parseOptions(argv, () => 2);
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return (parsed as { options: Options }).options;
};

test('--help and the brief usage are laid out as Envoy lays them out', () => {
  assert.equal(helpText('envoy'), recorded.help);
  assert.ok(parseErrorText('envoy', '-x', 'no').includes(`Brief USAGE: \n${recorded.usage}\nFor complete`));
});

for (const { argv, code, stdout, stderr } of recorded.exits) {
  test(`like Envoy: ${JSON.stringify(argv)}`, () => {
    const parsed = parseOptions(argv, () => 2);
    assert.ok(parsed.kind === 'exit');
    const asEnvoy = (text: string): string =>
      text
        .replace(/(Brief USAGE: \n).*(\nFor complete)/s, '$1<usage>$2')
        .replace(/\n {3}nuncio --help/, '\n   envoy --help')
        .replace(helpText('nuncio', OWN_FLAGS), '<help>');
    assert.deepEqual([parsed.code, asEnvoy(parsed.stdout), asEnvoy(parsed.stderr)], [code, stdout, stderr]);
  });
}

for (const { argv, options: expected } of recorded.serverInfo) {
  test(`like Envoy in /server_info: ${argv.slice(0, -5).join(' ') || 'no flags'}`, () => {
    const { commandLineOptions } = options(...argv);
    const ours = argv.some((arg) => arg.startsWith('--concurrency'))
      ? commandLineOptions
      : { ...commandLineOptions, concurrency: expected.concurrency };
    assert.equal(JSON.stringify(ours, null, 1), JSON.stringify(expected, null, 1));
  });
}

test('a flag and its value stand apart, in one element, or joined by =', () => {
  for (const argv of [
    ['--config-path', 'a b.yaml'],
    ['-c', 'a b.yaml'],
    ['--config-path a b.yaml'],
    ['-c a b.yaml'],
    ['--config-path=a b.yaml'],
  ])
    assert.equal(options(...argv).configPath, 'a b.yaml', argv.join('|'));
  assert.equal(options('-c', '-l').configPath, '-l');
  assert.equal(options('-c', 'x', '--log-path=').log.path, '');
  assert.equal(options('-c', 'x', '-', '', '--', '--bogus').configPath, 'x');
});

test('defaults', () => {
  assert.equal(options().demo, true);
  const { demo, mode, concurrency, log, drainTimeS, fileFlushIntervalMs, warnings } = options('-c', 'x');
  assert.deepEqual([demo, mode, concurrency, drainTimeS, fileFlushIntervalMs], [false, 'serve', 2, 600, 10_000]);
  assert.deepEqual([log.level, log.componentLevels, warnings], ['info', {}, []]);
});

test('numbers are read as C++ reads them', () => {
  const concurrency = (text: string): number => options('-c', 'x', '--concurrency', text).concurrency;
  assert.deepEqual(['0', '010', '+3', ' 4', ''].map(concurrency), [1, 10, 3, 4, 2]);
  const parsed = parseOptions(['-c', 'x', '--concurrency', '-1']);
  assert.match((parsed as { stderr: string }).stderr, /^error: --concurrency 4294967295 is more than 1024/);
});

test('levels', () => {
  const { log } = options('-c', 'x', '-l', 'warn', '--component-log-level', 'http:trace,upstream:off');
  assert.equal(log.level, 'warning');
  assert.deepEqual(log.componentLevels, { http: 'trace', upstream: 'off' });
});

test('the value that is wrong is told (Envoy tells another flag’s)', () => {
  const parsed = parseOptions(['--drain-strategy', 'foo']);
  assert.deepEqual(parsed, { kind: 'exit', code: 1, stdout: '', stderr: "error: unknown drain-strategy 'foo'\n" });
});

test('flags without effect are told, harmless ones are not', () => {
  const { warnings } = options('-c', 'x', '--base-id', '1', '--disable-hot-restart', '--restart-epoch', '0');
  assert.deepEqual(warnings, []);
  assert.equal(options('-c', 'x', '--stats-tag', 'a:b', '--disable-extensions', 'x').warnings.length, 1);
});

test('something to run is needed', () => {
  const parsed = parseOptions(['-l', 'debug']);
  assert.ok(parsed.kind === 'exit' && parsed.code === 1 && parsed.stderr.startsWith('At least one of --config-path'));
});

test('--version has Envoy’s form', () => {
  const parsed = parseOptions(['--version', 'x']);
  assert.ok(parsed.kind === 'exit');
  assert.match(parsed.stdout, /^\nnuncio {2}version: \w{40}\/\d+\.\d+\.\d+\/\w+\/RELEASE\/OpenSSL\n\n$/);
});

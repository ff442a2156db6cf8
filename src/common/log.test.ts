import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { changeLevel, connectionTag, listLevels, logger, parseLogLevel, reopenLog, setLogLevels } from './log.ts';
import { compileLogFormat, DEFAULT_LOG_FORMAT, escapeLogLine } from './log_format.ts';

const folder = mkdtempSync(join(tmpdir(), 'nuncio-log-'));
after(() => rmSync(folder, { recursive: true }));

const at = new Date(2026, 10, 21, 7, 5, 9, 42).getTime();
const line = (pattern: string, text = 'x'): string => compileLogFormat(pattern, '', () => at)('warning', 'http', text);

test('the default format is Envoy’s', () => {
  const path = join(folder, 'default.log');
  setLogLevels('info', { http: 'debug' }, { path });
  logger('http').debug('new stream');
  logger('router').debug('unseen');
  logger('router').warn('seen');
  const [first, second, end] = readFileSync(path, 'utf8').split('\n');
  const head = String.raw`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]`;
  assert.match(first, new RegExp(head + String.raw`\[debug\]\[http\] \[src/common/log\.test\.ts:\d+\] new stream$`));
  assert.match(second, new RegExp(head + String.raw`\[warning\]\[router\] \[src/common/log\.test\.ts:\d+\] seen$`));
  assert.equal(end, '');
  assert.equal(compileLogFormat(DEFAULT_LOG_FORMAT, '')('info', 'main', 'a').includes('%'), false);
});

test('spdlog flags print as in Envoy', () => {
  assert.equal(line('%a %A %b %B %C %Y %D %x %m %d'), 'Sat Saturday Nov November 26 2026 11/21/26 11/21/26 11 21');
  assert.equal(
    line('%H %I %M %S %e %f %F %p %r %R %T %X'),
    '07 07 05 09 042 042000 042000000 AM 07:05:09 AM 07:05 07:05:09 07:05:09',
  );
  assert.equal(line('%c'), 'Sat Nov 21 07:05:09 2026');
  assert.equal(
    line('%l %L|%10l|%-10l|%=11l|%2!l|%%|%q|100%'),
    'warning W|   warning|warning   |  warning  |wa|%|%q|100%',
  );
  assert.equal(line('%v|%_|%j', 'a\n"b"'), 'a\n"b"|a\\n"b"|a\\n\\"b\\"');
  assert.equal(line('%*|%+', connectionTag(3) + 'closing\n'), ',"ConnectionId":"3"|closing\\n');
  assert.equal(line('%*|%+'), '|x');
  assert.match(line('%z'), /^[+-]\d\d:\d\d$/);
});

test('--log-format-escaped keeps a message on one line', () => {
  assert.equal(escapeLogLine(`':path', "/a"\n\té`), String.raw`\':path\', \"/a\"\n\t\303\251`);
});

test('levels change at run time and unknown components are refused', () => {
  setLogLevels('error', { upstream: 'trace' });
  const upstream = logger('upstream');
  assert.equal(upstream.traceOn, true);
  assert.equal(logger('pool').warnOn, false);
  assert.equal(changeLevel('upstream', 'off'), true);
  assert.equal(upstream.errorOn, false);
  assert.equal(changeLevel('no_such', 'info'), false);
  assert.equal(changeLevel(undefined, 'debug'), true);
  assert.equal(upstream.debugOn && !upstream.traceOn, true);
  const levels = listLevels();
  assert.deepEqual(levels[0], { component: 'a2a', level: 'debug' });
  assert.equal(levels.length, 73);
  assert.equal(parseLogLevel('warn'), 'warning');
  assert.equal(parseLogLevel('WARN'), undefined);
});

test('a moved log file is opened again', () => {
  const path = join(folder, 'moved.log');
  setLogLevels('info', {}, { path, format: '%v' });
  logger('main').info('one');
  renameSync(path, path + '.1');
  reopenLog();
  logger('main').info('two');
  assert.equal(readFileSync(path + '.1', 'utf8'), 'one\n');
  assert.equal(readFileSync(path, 'utf8'), 'two\n');
  assert.throws(
    () => setLogLevels('info', {}, { path: join(folder, 'no', 'log') }),
    /unable to open file '.*': No such file or directory/,
  );
  setLogLevels('error', {}, {});
});

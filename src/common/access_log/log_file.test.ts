import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FILESYSTEM } from '../stats/server_layouts.ts';
import { checkLogFile, type FileIo } from './log_file.ts';
import { LogFiles } from './log_files.ts';

const dir = fs.mkdtempSync(join(tmpdir(), 'nuncio-log-'));
after(() => fs.rmSync(dir, { recursive: true }));
const read = (path: string) => fs.readFileSync(path, 'latin1');

test('entries are one byte a character, written at the end and by both files of one path', async () => {
  const path = join(dir, 'a.log');
  const files = new LogFiles();
  assert.equal(files.open(path), files.open(path));
  files.open(path).write('a \xe9\xff\n');
  files.open(path).write('b\n');
  assert.equal(read(path), '');
  await files.close();
  assert.equal(read(path), 'a \xe9\xff\nb\n');
});

test('the interval writes what waits, and counts', async () => {
  const stats = new Float64Array(FILESYSTEM.names.length);
  const files = new LogFiles(5, stats);
  const path = join(dir, 'interval.log');
  files.open(path).write('x\n');
  for (let i = 0; i < 200 && read(path) === ''; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(read(path), 'x\n');
  await files.close();
  const { slot } = FILESYSTEM;
  assert.equal(stats[slot.flushed_by_timer], 1);
  assert.equal(stats[slot.write_buffered], 1);
  assert.equal(stats[slot.write_completed], 1);
  assert.equal(stats[slot.write_total_buffered], 0);
});

/** A disk that takes a write only when told. */
function slowDisk() {
  const writes: { text: string; finish: (error: NodeJS.ErrnoException | null, written?: number) => void }[] = [];
  const sync: string[] = [];
  const io = {
    openSync: () => 3,
    closeSync: () => {},
    writeSync: (_: number, bytes: Buffer, from: number) => {
      sync.push(bytes.toString('latin1', from));
      return bytes.length - from;
    },
    write: (
      _fd: number,
      bytes: Buffer,
      from: number,
      length: number,
      _at: null,
      done: (error: NodeJS.ErrnoException | null, written: number) => void,
    ) => {
      writes.push({
        text: bytes.toString('latin1', from, from + length),
        finish: (error, written = length) => done(error, error === null ? written : 0),
      });
    },
  };
  return { io: io as unknown as FileIo, writes, sync };
}

test('64 KiB are written at once, one write at a time, whole entries each', () => {
  const { io, writes } = slowDisk();
  const file = new LogFiles(1e6, undefined, io).open('x');
  const entry = `${'e'.repeat(999)}\n`;
  for (let i = 0; i < 200; i++) file.write(entry);
  assert.equal(writes.length, 1);
  assert.equal(writes[0].text.length, 66_000);
  writes[0].finish(null);
  assert.equal(writes.length, 2);
  writes[1].finish(null, 1500);
  assert.equal(writes[2].text.length, 64_500);
  writes[2].finish(null);
  writes[3]?.finish(null);
  file.flush();
  assert.equal(writes.map((write) => write.text).join('').length, 200_000 + 64_500);
});

test('a stuck disk holds 16 MiB at most; what cannot wait is dropped and counted, and a failed write is lost alone', () => {
  const { io, writes } = slowDisk();
  const stats = new Float64Array(FILESYSTEM.names.length);
  const file = new LogFiles(1e6, stats, io).open('x');
  const entry = `${'e'.repeat(1023)}\n`;
  for (let i = 0; i < 17 * 1024; i++) file.write(entry);
  assert.equal(file.dropped, 1024);
  assert.equal(stats[FILESYSTEM.slot.write_total_buffered], 16 * 1024 * 1024);
  writes[0].finish(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  assert.equal(stats[FILESYSTEM.slot.write_failed], 1);
  assert.equal(writes.length, 2);
  file.write(entry);
  assert.equal(file.dropped, 1024);
});

test('flushSync writes the rest behind a write under way; close waits for that', async () => {
  const { io, writes, sync } = slowDisk();
  const files = new LogFiles(1e6, undefined, io);
  const file = files.open('x');
  file.write('first\n');
  file.flush();
  file.write('second\n');
  let closed = false;
  const closing = files.close().then(() => {
    closed = true;
  });
  assert.deepEqual(sync, ['second\n']);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(closed, false);
  writes[0].finish(null);
  await closing;
});

test('reopen follows a rotation', async () => {
  const path = join(dir, 'rotated.log');
  const files = new LogFiles();
  const file = files.open(path);
  file.write('old\n');
  files.flushSync();
  fs.renameSync(path, `${path}.1`);
  files.reopen();
  for (let i = 0; i < 200 && !fs.existsSync(path); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 5));
  file.write('new\n');
  await files.close();
  assert.equal(read(`${path}.1`), 'old\n');
  assert.equal(read(path), 'new\n');
});

test('a path that cannot be written is named in Envoy’s words and drops its entries', () => {
  const path = join(dir, 'none', 'x');
  assert.equal(checkLogFile(path), `unable to open file '${path}': No such file or directory`);
  assert.equal(checkLogFile(dir), `unable to open file '${dir}': Is a directory`);
  assert.equal(checkLogFile('/dev/stdout'), undefined);
  const file = new LogFiles().open(path);
  file.write('x\n');
  assert.equal(file.dropped, 1);
});

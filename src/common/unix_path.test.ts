import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { UnixPath } from './unix_path.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-unix-'));
after(() => rmSync(dir, { recursive: true }));

async function listen(text: string, mode: number): Promise<Server> {
  const unix = new UnixPath(text);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ path: unix.bind }, resolve));
  unix.publish(mode);
  return server;
}

test('a socket takes the place of what is there, with its permissions', async () => {
  const file = path.join(dir, 'a.sock');
  writeFileSync(file, 'old');
  const server = await listen(file, 0o640);
  assert.ok(statSync(file).isSocket());
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(dir), ['a.sock']);
  server.close();
});

test('the end of the older socket leaves the newer one', async () => {
  const file = path.join(dir, 'b.sock');
  const older = await listen(file, 0);
  const newer = await listen(file, 0);
  await new Promise((resolve) => older.close(resolve));
  assert.ok(existsSync(file));
  newer.close();
});

test('an abstract name begins with NUL', () => {
  assert.equal(new UnixPath('@name').bind, '\0name');
});

test('where the name beside it is too long, the path itself is bound', () => {
  const long = `/${'x'.repeat(100)}/s`;
  assert.equal(new UnixPath(long).bind, long);
});

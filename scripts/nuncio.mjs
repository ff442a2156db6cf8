#!/usr/bin/env node
// Launcher: plain JavaScript of old, so that a Node which cannot run the proxy says so in one line and not in a stack trace.
import fs from 'node:fs';
import module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const neededMajor = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < neededMajor) {
  process.stderr.write(
    'nuncio needs Node ' +
      neededMajor +
      ' or later and this is Node ' +
      process.versions.node +
      ' (' +
      process.execPath +
      '): run `npm ci && npm start`, which brings and uses Node 26, or install a newer Node.\n',
  );
  process.exitCode = 1;
} else {
  // Keeps the compiled code of all modules, so that the next start is faster; off where there is no writable directory.
  if (module.enableCompileCache) module.enableCompileCache();
  const root = new URL('../', import.meta.url);
  // The repository runs its sources; the published package holds only what was built from them.
  const entry = ['src/main.ts', 'dist/src/main.js']
    .map((path) => fileURLToPath(new URL(path, root)))
    .find((path) => fs.existsSync(path));
  if (entry === undefined) {
    process.stderr.write('nuncio is not built: run `npm run build` in ' + fileURLToPath(root) + '\n');
    process.exitCode = 1;
  } else {
    import(pathToFileURL(entry).href).catch((error) => {
      process.stderr.write('nuncio cannot start: ' + (error instanceof Error ? error.stack : error) + '\n');
      process.exitCode = 1;
    });
  }
}

/** Calls back when a configuration file has other contents than before: written in place, moved onto, or behind a link that was swapped. */
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import path from 'node:path';
import { logger } from '../common/log.ts';

const log = logger('config');

/** Milliseconds that the writes of one change are gathered for. */
const settleTime = 100;

/** Answers how to stop. A path of '' is not watched; what cannot be watched is logged. */
export function watchConfig(file: string, onChange: () => void): () => void {
  if (file === '') return () => {};
  let watchers: FSWatcher[] = [];
  let watched = '';
  let contents = read(file);
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    follow();
    const now = read(file);
    // A file that is not there for a moment is being replaced.
    if (now === undefined || (contents !== undefined && now.equals(contents))) return;
    contents = now;
    onChange();
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, settleTime);
    timer.unref();
  };
  /** The folders of every link on the way to the file; a swap may lead to others. */
  const follow = (): void => {
    const folders = foldersOf(file);
    if (folders.join('\n') === watched) return;
    watched = folders.join('\n');
    for (const watcher of watchers) watcher.close();
    watchers = folders.flatMap((folder) => begin(folder, soon) ?? []);
  };
  follow();
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

function begin(folder: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent);
    watcher.on('error', (error) => log.warn(`watching ${folder}: ${error.message}`));
    return watcher;
  } catch (error) {
    log.warn(`${folder} cannot be watched: ${(error as Error).message}`);
    return undefined;
  }
}

function foldersOf(file: string): string[] {
  const folders = [path.dirname(path.resolve(file))];
  try {
    folders.push(path.dirname(realpathSync(file)));
  } catch {
    // It is being replaced: the folder it is to appear in is watched.
  }
  return [...new Set(folders)];
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

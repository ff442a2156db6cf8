/** Watches files that are swapped, by a link or a move: one call after all moves of a swap (main thread). */
import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import { logger } from '../../common/log.ts';

const log = logger('config');

/** Milliseconds that the moves of one swap are gathered for. */
const settleTime = 20;

export interface WatchedPaths {
  /** Folders in which every move counts. */
  readonly folders: readonly string[];
  /** Files whose replacement counts, by a move onto their name. */
  readonly files: readonly string[];
}

/** Answers how to stop. What cannot be watched is logged, and left alone. */
export function watchPaths({ folders, files }: WatchedPaths, onChange: () => void): () => void {
  const watchers: FSWatcher[] = [];
  let timer: NodeJS.Timeout | undefined;
  const begin = (folder: string, counts: (name: string | null) => boolean) => {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        // Writing into a file is not looked at, as in Envoy: it may be half written.
        if (event !== 'rename' || !counts(name)) return;
        clearTimeout(timer);
        timer = setTimeout(onChange, settleTime);
        timer.unref();
      });
      watcher.on('error', (error) => log.warn(`watching ${folder}: ${error.message}`));
      watchers.push(watcher);
    } catch (error) {
      log.warn(`${folder} cannot be watched: ${(error as Error).message}`);
    }
  };
  for (const folder of new Set(folders)) begin(folder, () => true);
  for (const folder of new Set(files.map((file) => path.dirname(file)))) {
    const names = new Set(files.filter((file) => path.dirname(file) === folder).map((file) => path.basename(file)));
    begin(folder, (name) => name === null || names.has(name));
  }
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

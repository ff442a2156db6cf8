/** A layer of the runtime on disk (control path): a folder below a symbolic link, a file a key, read anew when the link is swapped. */
import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
import path from 'node:path';
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import type { RuntimeValue } from '../common/runtime.ts';
import { valueOfText } from './runtime_values.ts';

const log = logger('runtime');

/** Envoy's limit: a link to a folder above would have no end. */
const deepest = 16;
/** Milliseconds that the moves of one swap are gathered for. */
const settleTime = 10;

export function runtimeFolder(
  { symlinkRoot, subdirectory, appendServiceCluster }: envoy.config.bootstrap.v3.RuntimeLayer_DiskLayer,
  serviceCluster: string,
): string {
  return path.join(symlinkRoot, subdirectory, appendServiceCluster ? serviceCluster : '');
}

/** Undefined when there is no such folder. Throws when something in it cannot be read. */
export function readRuntimeFolder(folder: string): Map<string, RuntimeValue> | undefined {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const values = new Map<string, RuntimeValue>();
  read(folder, '', 1, values);
  return values;
}

function read(folder: string, prefix: string, depth: number, values: Map<string, RuntimeValue>): void {
  if (depth > deepest) throw new Error(`Walk recursion depth exceeded ${deepest}`);
  for (const name of readdirSync(folder)) {
    const full = path.join(folder, name);
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const stat = statSync(full, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) read(full, key, depth + 1, values);
    else if (stat?.isFile() === true) values.set(key, valueOfText(withoutComments(readFileSync(full, 'utf8'))));
  }
}

/** Lines that begin with `#` say nothing; a file may hold nothing else. */
function withoutComments(text: string): string {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return lines.join('\n').trimEnd();
}

/** Calls back when another link, or folder, has been moved to where this one is: what is written into it is not seen, as in Envoy. */
export function watchRuntimeLink(link: string, onSwapped: () => void): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const name = path.basename(link);
  const folder = path.dirname(link);
  try {
    const watcher = watch(folder, { persistent: false }, (event, changed) => {
      if (event !== 'rename' || (changed !== null && changed !== name)) return;
      clearTimeout(timer);
      timer = setTimeout(onSwapped, settleTime).unref();
    });
    watcher.on('error', (error) => log.warn(`watching ${folder}: ${error.message}`));
    return {
      close() {
        clearTimeout(timer);
        watcher.close();
      },
    };
  } catch (error) {
    log.warn(`${folder} cannot be watched: ${(error as Error).message}`);
    return { close() {} };
  }
}

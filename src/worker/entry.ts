/** A worker thread: the task piscina runs on it, which ends only when the worker stops. */
import module from 'node:module';
import type { WorkerTask } from '../spi/worker_messages.ts';

// Each thread has to ask for the compiled code of its modules (see scripts/nuncio.mjs), and before it loads them.
module.enableCompileCache();
const { setLogLevels } = await import('../common/log.ts');
const { DataPath } = await import('./data_path.ts');
// A worker may end without a word, and with it what only it had compiled.
module.flushCompileCache();

export default function run(task: WorkerTask): Promise<void> {
  setLogLevels(task.log.level, task.log.componentLevels, task.log);
  return new DataPath(task).run();
}

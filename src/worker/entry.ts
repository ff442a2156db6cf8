/** A worker thread: the task piscina runs on it, which ends only when the worker stops. */
import { setLogLevels } from '../common/log.ts';
import type { WorkerTask } from '../spi/worker_messages.ts';
import { DataPath } from './data_path.ts';

export default function run(task: WorkerTask): Promise<void> {
  setLogLevels(task.log.level, task.log.componentLevels, task.log);
  return new DataPath(task).run();
}

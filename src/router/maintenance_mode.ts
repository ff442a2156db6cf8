/** Clusters that are switched off by the runtime, in part or altogether. */
import type { Runtime } from '../common/runtime.ts';

/** Runtime key `upstream.maintenance_mode.<cluster>`: percent of the requests that are refused. */
export function isInMaintenance(runtime: Runtime, cluster: string): boolean {
  if (runtime.size === 0) return false;
  const random = Math.floor(Math.random() * 0x1_0000_0000);
  return runtime.featureEnabled(`upstream.maintenance_mode.${cluster}`, 0, random);
}

/** How many workers a machine or container is good for: the default of `--concurrency`. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

type ReadFile = (path: string) => string | undefined;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Cores this process may run on, but no more than its cgroup's CPU quota, rounded up: a quota of 1.5 cores keeps two
 * workers busy (Node's own answer rounds down). At least 1. `readFile` gives undefined for a file that is not there.
 */
export function defaultConcurrency(readFile: ReadFile = read, fallback: () => number = availableParallelism): number {
  const cores = allowedCores(readFile) ?? fallback();
  const quota = cpuQuota(readFile);
  return Math.max(1, quota === undefined ? cores : Math.min(cores, Math.ceil(quota)));
}

/** The affinity mask, which a cpuset narrows; the quota has no part in it. */
function allowedCores(readFile: ReadFile): number | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFile('/proc/self/status') ?? '')?.[1];
  if (list === undefined) return undefined;
  let cores = 0;
  for (const range of list.split(',')) {
    const [first, last = first] = range.split('-').map(Number);
    cores += last - first + 1;
  }
  return cores > 0 ? cores : undefined;
}

/** Cores by quota: the smallest of the cgroup and all above it; undefined without a limit. */
function cpuQuota(readFile: ReadFile): number | undefined {
  let smallest: number | undefined;
  const take = (quota: number, period: number): void => {
    if (quota > 0 && period > 0) smallest = Math.min(smallest ?? Number.POSITIVE_INFINITY, quota / period);
  };
  for (const line of (readFile('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isV1 = controllers.split(',').includes('cpu');
    if (controllers !== '' && !isV1) continue;
    // In a container the path may be the host's and not be there: the root of the mount is then the container's own.
    for (let folder = path.replace(/\/$/, ''); ; folder = folder.slice(0, folder.lastIndexOf('/'))) {
      if (isV1) {
        const base = `/sys/fs/cgroup/cpu${folder}/cpu.cfs_`;
        take(Number(readFile(base + 'quota_us')), Number(readFile(base + 'period_us')));
      } else {
        const [quota, period] = (readFile(`/sys/fs/cgroup${folder}/cpu.max`) ?? '').split(' ');
        take(Number(quota), Number(period)); // "max 100000" is NaN: no limit
      }
      if (folder === '') break;
    }
  }
  return smallest;
}

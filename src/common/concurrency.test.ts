import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { defaultConcurrency } from './concurrency.ts';

const status = 'Name:\tnode\nCpus_allowed_list:\t0-5,8,10-11\n';
const cores = (files: Record<string, string>, fallback = 4): number =>
  defaultConcurrency(
    (path) => files[path],
    () => fallback,
  );

test('cores the process may run on count when there is no quota', () => {
  assert.equal(cores({}), 4);
  assert.equal(cores({ '/proc/self/status': status }), 9);
  assert.ok(defaultConcurrency() >= availableParallelism());
});

test('a cgroup v2 quota, its own or one above it, is rounded up', () => {
  const v2 = (max: string, above = 'max 100000'): Record<string, string> => ({
    '/proc/self/status': status,
    '/proc/self/cgroup': '0::/pods/one\n',
    '/sys/fs/cgroup/pods/one/cpu.max': max,
    '/sys/fs/cgroup/pods/cpu.max': above,
  });
  assert.equal(cores(v2('max 100000\n')), 9);
  assert.equal(cores(v2('150000 100000\n')), 2);
  assert.equal(cores(v2('300000 100000\n', '100000 100000\n')), 1);
  assert.equal(cores(v2('5000 100000\n')), 1);
  assert.equal(cores(v2('9900000 100000\n')), 9);
});

test('a container sees its quota at the root of the mount', () => {
  assert.equal(cores({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '200000 100000\n' }), 2);
  const v1 = (quota: string): Record<string, string> => ({
    '/proc/self/cgroup': '4:memory:/x\n2:cpu,cpuacct:/docker/abc\n0::/\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota,
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  });
  assert.equal(cores(v1('250000\n')), 3);
  assert.equal(cores(v1('-1\n')), 4);
});

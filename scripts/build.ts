/** `npm run build`: compiles src and native-free to dist/ and copies the data files beside them, as the published package has it. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, rmSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
execFileSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
for (const file of globSync('src/**/*', { cwd: root, withFileTypes: true })) {
  if (!file.isFile() || file.name.endsWith('.ts') || file.parentPath.endsWith('testdata')) continue;
  const from = path.join(file.parentPath, file.name);
  cpSync(from, path.join(dist, path.relative(root, from)));
}

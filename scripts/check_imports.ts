/** Checks that imports go one way (import_rules.ts) and that no file outgrows one idea; run by `npm test` and `npm run check`. */
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import {
  type Area,
  directions,
  engines,
  isControlSide,
  isDataSide,
  nodeModules,
  reason,
  typeOnly,
} from './import_rules.ts';

const maxLines = 800;
/** Written by a tool, never read as code. */
const generated = /^src\/api\/(envoy_types\.ts|descriptors\/)/;

export interface Import {
  specifier: string;
  line: number;
  typeOnly: boolean;
  /** `import()`: not followed when asking what one side brings in. */
  dynamic: boolean;
}

/** Every violation as `file:line: what (why)`; empty when all is well. `root` holds src/ and native-free/. */
export function checkImports(root: string): string[] {
  const files = globSync(['{src,native-free}/**/*.ts', '{bench,scripts,test}/**/*.ts'], {
    cwd: root,
    exclude: ['**/node_modules/**', '**/.venv/**', '**/dist/**'],
  })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => !generated.test(file))
    .sort();
  const problems: string[] = [];
  const graph = new Map<string, Map<string, number>>();
  for (const file of files) {
    const text = readFileSync(path.join(root, file), 'utf8');
    const lines = text.split('\n').length - 1;
    if (lines > maxLines)
      problems.push(`${file}:${lines}: ${lines} lines (more than ${maxLines}: it holds more than one idea)`);
    if (!/^(src|native-free)\//.test(file) || file.endsWith('.test.ts')) continue;
    const imports = readImports(text);
    for (const found of imports) {
      const problem = judge(file, found);
      if (problem !== undefined) problems.push(`${file}:${found.line}: ${problem}`);
    }
    graph.set(file, valueImports(file, imports));
  }
  return [...problems, ...crossings(graph)];
}

/** The imports of a module: `import`, `export … from` and `import()`, outside comments. */
export function readImports(text: string): Import[] {
  const code = blankComments(text);
  const found: Import[] = [];
  const add = (specifier: string, index: number, isType: boolean, dynamic: boolean): void => {
    const line = code.slice(0, index).split('\n').length;
    found.push({ specifier, line, typeOnly: isType, dynamic });
  };
  for (const match of code.matchAll(
    /^[ \t]*(?:import|export)\b(\s+type\b(?!\s+from\b))?([^'"`;=()]*?)\bfrom\s*['"]([^'"]+)['"]/gm,
  )) {
    add(match[3], match.index, match[1] !== undefined, false);
  }
  for (const match of code.matchAll(/^[ \t]*import\s*['"]([^'"]+)['"]/gm)) add(match[1], match.index, false, false);
  for (const match of code.matchAll(/\bimport\s*\(\s*['"]([^'"]+)['"]/g)) add(match[1], match.index, false, true);
  return found;
}

/** What is wrong with one import of one file, if anything. */
function judge(file: string, { specifier, typeOnly: isType }: Import): string | undefined {
  const from = areaOf(file);
  if (from === undefined) return 'no rule for this folder: add it to scripts/import_rules.ts';
  if (!specifier.startsWith('.')) return judgePackage(from, specifier, isType);
  const target = resolve(file, specifier);
  const wrong = `imports ${target}`;
  if (target.endsWith('.test.ts')) return `${wrong} (a test is imported by nothing)`;
  if (generated.test(target))
    return isType || from === 'api' ? undefined : `${wrong} (generated types carry no code: use import type)`;
  const to = areaOf(target);
  if (to === undefined) return `${wrong} (only native-free/ and src/ are part of the proxy)`;
  if (from === to && (from !== 'extension' || extensionOf(file) === extensionOf(target))) return undefined;
  if (from === 'extension' && engines[extensionOf(file)] === to) return undefined;
  if (!directions[from].includes(to)) return `${wrong} (${reason(from, to)})`;
  if (typeOnly(from, to) && !isType) return `${wrong} (${from} takes only types from ${to}: use import type)`;
  return undefined;
}

function judgePackage(from: Area, specifier: string, isType: boolean): string | undefined {
  const name = specifier.replace(/^node:/, '');
  const isNode = specifier.startsWith('node:') || builtinModules.includes(specifier);
  if (from === 'native-free') return `imports ${specifier} (${reason(from, 'node')})`;
  const rule = isNode ? nodeModules[name.split('/')[0]] : undefined;
  if (rule === undefined || isType || rule.areas.includes(from)) return undefined;
  return `imports ${specifier} (${rule.reason})`;
}

/** A chain of imports from the control side into the data side is as wrong as a direct one: one problem for each such file. */
function crossings(graph: Map<string, Map<string, number>>): string[] {
  const problems: string[] = [];
  for (const [file, targets] of graph) {
    if (!isControlSide(areaOf(file) ?? '')) continue;
    for (const [target, line] of targets) {
      if (isDataSide(areaOf(target) ?? '')) continue; // judged already
      if (isControlSide(areaOf(target) ?? '')) continue; // reported where the crossing begins
      const chain = findDataSide(graph, [file, target]);
      if (chain === undefined) continue;
      problems.push(
        `${file}:${line}: brings in the data side by ${chain.slice(1).join(' → ')} (the main thread never loads it)`,
      );
    }
  }
  return problems;
}

function findDataSide(graph: Map<string, Map<string, number>>, start: string[]): string[] | undefined {
  const seen = new Set(start);
  const queue = [start];
  for (let chain = queue.shift(); chain !== undefined; chain = queue.shift()) {
    const last = chain[chain.length - 1];
    if (isDataSide(areaOf(last) ?? '')) return chain;
    for (const next of graph.get(last)?.keys() ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...chain, next]);
    }
  }
  return undefined;
}

function valueImports(file: string, imports: Import[]): Map<string, number> {
  const targets = new Map<string, number>();
  for (const found of imports) {
    if (found.specifier.startsWith('.') && !found.typeOnly && !found.dynamic)
      targets.set(resolve(file, found.specifier), found.line);
  }
  return targets;
}

function resolve(file: string, specifier: string): string {
  return path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
}

/** `src/router/route_table.ts` → `router`; undefined outside the proxy. */
function areaOf(file: string): Area | undefined {
  if (file.startsWith('native-free/')) return 'native-free';
  if (!file.startsWith('src/')) return undefined;
  const [, first, second] = file.split('/');
  let area = first.replace(/\.ts$/, '');
  if (area === 'snapshot') area = `snapshot/${second.replace(/\.ts$/, '')}`;
  if (area === 'extensions' && second !== undefined && !second.endsWith('.ts')) area = 'extension';
  return Object.hasOwn(directions, area) ? area : undefined;
}

/** `src/extensions/filters/http/router/config.ts` → `filters/http/router`. */
function extensionOf(file: string): string {
  return path.posix.dirname(file).replace(/^src\/extensions\//, '');
}

/** Comments become blanks of the same shape, so that line numbers stay; strings and templates are left alone. */
function blankComments(text: string): string {
  const token = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (found) => (/^\/[/*]/.test(found) ? found.replace(/[^\n]/g, ' ') : found));
}

if (import.meta.main) {
  const problems = checkImports(path.resolve(import.meta.dirname, '..'));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) console.error(`${problems.length} import problem(s)`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

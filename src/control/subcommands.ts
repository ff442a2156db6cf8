/** What nuncio does beside proxying, by its first word: `nuncio convert FILE`, `nuncio xds DIR`. */
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setLogLevels } from '../common/log.ts';

interface Subcommand {
  readonly usage: string;
  /** Answers the exit code. */
  run(operands: readonly string[]): Promise<number>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  convert: {
    usage:
      'nuncio convert FILE\n  prints a v1, v2 or v3 configuration, of any format, as v3 YAML with a comment for each change',
    run: convert,
  },
  'demo-eds': {
    usage: 'nuncio demo-eds\n  endpoint discovery step by step, everything in one process',
    run: runEdsLab,
  },
  xds: {
    usage:
      'nuncio xds DIR [--host 127.0.0.1] [--port 18000]\n  serves the resource files of a folder over ADS, to nuncio or Envoy',
    run: serveFolder,
  },
};

export function isSubcommand(word: string | undefined): word is string {
  return word !== undefined && Object.hasOwn(subcommands, word);
}

/** Never throws: what is wrong with the operands is printed with the usage. */
export async function runSubcommand(word: string, operands: readonly string[]): Promise<number> {
  const { usage, run } = subcommands[word];
  try {
    return await run(operands);
  } catch (error) {
    process.stderr.write(`nuncio ${word}: ${(error as Error).message}\nusage: ${usage}\n`);
    return 1;
  }
}

async function convert(operands: readonly string[]): Promise<number> {
  if (operands.length !== 1 || operands[0].startsWith('-')) throw new Error('exactly one file is to be converted');
  const { convertFile } = await import('../config/convert_file.ts');
  const { renderDiagnostics } = await import('../config/render.ts');
  const { yaml, errors, objections } = convertFile(operands[0]);
  const complaints = [...errors, ...objections];
  if (complaints.length > 0) process.stderr.write(`${renderDiagnostics(complaints, process.stderr.isTTY === true)}\n`);
  if (yaml === undefined) return 1;
  process.stdout.write(yaml);
  if (objections.length > 0)
    process.stderr.write('\nIt was converted; the errors above are what nuncio has against it.\n');
  return 0;
}

async function serveFolder(operands: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...operands],
    allowPositionals: true,
    options: { host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '18000' } },
  });
  if (positionals.length !== 1) throw new Error('exactly one folder is to be served');
  const [folder] = positionals;
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${folder} is no folder`);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port ${values.port} is no port`);
  const { serveResourceFolder } = await import('./management_server/serve_folder.ts');
  return serveResourceFolder(folder, values.host, port);
}

async function runEdsLab(operands: readonly string[]): Promise<number> {
  if (operands.length > 0) throw new Error('no operands are taken');
  const { prepareLab } = await import('./demo/eds/lab.ts');
  const { serve } = await import('./serve.ts');
  const { loadBootstrap } = await import('../config/load.ts');
  const { parseOptions } = await import('./options.ts');
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  const lab = await prepareLab();
  say(
    'The proxy starts, and waits up to 15 seconds for its control plane (initial_fetch_timeout) before it serves without.',
  );
  const parsed = parseOptions(['--config-yaml', lab.configYaml, '--log-level', 'warn', '--concurrency', '1']);
  if (parsed.kind === 'exit') throw new Error(parsed.stderr);
  setLogLevels(parsed.options.log.level, parsed.options.log.componentLevels, parsed.options.log);
  const demo = { configYaml: lab.configYaml, hosts: {}, greeting: '', stop: lab.stop, onServing: () => lab.run(say) };
  return serve(loadBootstrap({ yaml: lab.configYaml }), parsed.options, demo);
}

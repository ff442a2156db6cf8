/** argv → options → configuration → server; prints what went wrong and sets the exit code, nothing else. */
import { logger, setLogLevels } from './common/log.ts';
import { loadBootstrap } from './config/load.ts';
import { renderDiagnostics } from './config/render.ts';
import { takeLogFormat } from './control/log_format_option.ts';
import { type Options, parseOptions } from './control/options.ts';
import { isSubcommand, runSubcommand } from './control/subcommands.ts';

const [command, ...operands] = process.argv.slice(2);
const parsed = parseOptions(process.argv.slice(2));
if (isSubcommand(command)) {
  process.exitCode = await runSubcommand(command, operands);
} else if (parsed.kind === 'exit') {
  process.stdout.write(parsed.stdout);
  process.stderr.write(parsed.stderr);
  process.exitCode = parsed.code;
} else {
  try {
    setLogLevels(parsed.options.log.level, parsed.options.log.componentLevels, parsed.options.log);
    process.exitCode = await run(parsed.options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

async function run(options: Options): Promise<number> {
  const demo = options.demo ? await (await import('./control/demo/start_demo.ts')).startDemo() : undefined;
  const colors = process.stderr.isTTY === true;
  const log = logger('config');
  const loaded = loadBootstrap({
    path: options.configPath || undefined,
    yaml: demo?.configYaml ?? (options.configYaml || undefined),
  });
  if (loaded.bootstrap === undefined) {
    process.stderr.write(`${renderDiagnostics([...loaded.warnings, ...loaded.errors], colors)}\n`);
    await demo?.stop();
    return 1;
  }
  const taken = takeLogFormat(loaded, options);
  if ('reason' in taken) {
    process.stderr.write(`${renderDiagnostics([taken], colors)}\n`);
    return 1;
  }
  for (const text of options.warnings) log.warn(text);
  if (loaded.warnings.length > 0 && log.warnOn) process.stderr.write(`${renderDiagnostics(loaded.warnings, colors)}\n`);
  if (options.mode === 'validate') {
    process.stdout.write(`configuration '${options.configPath}' OK\n`);
    return 0;
  }
  const { serve } = await import('./control/serve.ts');
  return serve(loaded, taken, demo);
}

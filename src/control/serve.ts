/** Runs a server until it ends: signals, exit code, and the demo around it. */
import { logger } from '../common/log.ts';
import type { LoadedBootstrap } from '../config/load.ts';
import { renderDiagnostics } from '../config/render.ts';
import { systemResolver } from '../dns/resolver.ts';
import type { Demo } from './demo/start_demo.ts';
import type { Options } from './options.ts';
import { Server, StartError } from './server.ts';
import { watchConfig } from './watch_config.ts';

const log = logger('main');

/** Resolves with the exit code when the server has ended. */
export async function serve(loaded: LoadedBootstrap, options: Options, demo: Demo | undefined): Promise<number> {
  const server = new Server(loaded, options, systemResolver(demo?.hosts));
  try {
    await server.start();
  } catch (error) {
    await demo?.stop();
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`${renderDiagnostics(error.diagnostics, process.stderr.isTTY === true)}\n`);
    return 1;
  }
  if (demo !== undefined) process.stdout.write(`${demo.greeting}\n`);
  const release = handleSignals(server);
  const stopWatching = options.watch ? watchConfig(options.configPath, () => void server.reload()) : () => {};
  demo?.onServing?.().catch((error: Error) => log.error(error.message));
  await server.ended;
  release();
  stopWatching();
  await demo?.stop();
  return 0;
}

/** The first SIGTERM or SIGINT drains, the second ends; SIGUSR1 opens logs anew; SIGHUP, which Envoy ignores, reloads. */
function handleSignals(server: Server): () => void {
  let asked = false;
  const end = (signal: NodeJS.Signals) => {
    // Envoy's word for it, which scripts look for.
    log.warn(`caught ${signal === 'SIGTERM' ? 'ENVOY_SIGTERM' : signal}`);
    if (asked) void server.close();
    else void server.drain();
    asked = true;
  };
  const reopen = () => {
    log.info('caught SIGUSR1, reopening access logs');
    server.reopenLogs();
  };
  const reload = () => void server.reload();
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  process.on('SIGUSR1', reopen);
  process.on('SIGHUP', reload);
  return () => {
    process.off('SIGTERM', end);
    process.off('SIGINT', end);
    process.off('SIGUSR1', reopen);
    process.off('SIGHUP', reload);
  };
}

/** The library face: a proxy inside another Node program, with the same workers as `npm start`. */
import { setLogLevels } from './common/log.ts';
import { loadBootstrap } from './config/load.ts';
import { renderDiagnostics } from './config/render.ts';
import { takeLogFormat } from './control/log_format_option.ts';
import { parseOptions } from './control/options.ts';
import { Server } from './control/server.ts';

export interface ProxyOptions {
  /** A bootstrap as YAML or JSON text, or as an object of the same form. */
  readonly config: string | object;
  /** Worker threads; default: the cores this process may use. */
  readonly concurrency?: number;
  /** More flags of the command line, e.g. `['-l', 'debug']`. */
  readonly flags?: readonly string[];
}

/** A proxy that serves. */
export interface Proxy {
  /** The port of a listener by name. Throws when there is none. */
  port(listener: string): number;
  /** The present value of a counter or gauge; 0 when it does not exist. */
  stat(name: string): number;
  /** Lets requests under way finish, then ends. */
  drain(): Promise<void>;
  /** Ends at once. */
  close(): Promise<void>;
  readonly server: Server;
}

/** Serves when it resolves. Throws an Error whose message holds every mistake of the configuration. */
export async function createProxy({ config, concurrency, flags = [] }: ProxyOptions): Promise<Proxy> {
  const yaml = typeof config === 'string' ? config : JSON.stringify(config);
  const argv = [
    '--config-yaml',
    yaml,
    ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
    ...flags,
  ];
  const parsed = parseOptions(argv);
  if (parsed.kind === 'exit') throw new Error(parsed.stderr);
  const { log } = parsed.options;
  setLogLevels(log.level, log.componentLevels, log);
  const loaded = loadBootstrap({ yaml });
  if (loaded.bootstrap === undefined) throw new Error(renderDiagnostics(loaded.errors));
  const options = takeLogFormat(loaded, parsed.options);
  if ('reason' in options) throw new Error(options.reason);
  const server = new Server(loaded, options);
  await server.start();
  return {
    server,
    port(name) {
      const listener = server.listeners.all().find((known) => known.name === name);
      if (listener === undefined) throw new Error(`no listener '${name}'`);
      return listener.address.port;
    },
    stat: (name) => server.stats.value(name) ?? 0,
    drain: () => server.drain(),
    close: () => server.close(),
  };
}

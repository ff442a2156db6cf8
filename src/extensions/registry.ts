/** Every extension nuncio has, one line each; looked up by the type of its configuration, or by an old name. */
import type { ExtensionFactory } from '../spi/extension.ts';
import { factory as fileAccessLog } from './access_loggers/file/config.ts';
import { stderrFactory as stderrAccessLog, stdoutFactory as stdoutAccessLog } from './access_loggers/stream/config.ts';
import { factory as router } from './filters/http/router/config.ts';
import { factory as httpConnectionManager } from './filters/network/http_connection_manager/config.ts';
import { factory as tcpProxy } from './filters/network/tcp_proxy/config.ts';

export const factories: readonly ExtensionFactory[] = [
  httpConnectionManager,
  tcpProxy,
  router,
  fileAccessLog,
  stdoutAccessLog,
  stderrAccessLog,
];

const byType = new Map(factories.map((factory) => [factory.typeName, factory]));

/** The extension whose configuration is of this message type. */
export function factoryByType(typeName: string): ExtensionFactory | undefined {
  return byType.get(typeName);
}

/** The access log of the admin interface (`admin.access_log`): the same loggers as on workers, on the main thread. */
import type { IncomingMessage } from 'node:http';
import { HeaderMap, type Protocol, type RequestHead } from '../../../native-free/headers/header_map.ts';
import { findHeaderName, makeHeaderName } from '../../../native-free/headers/header_name.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../../api/registry.ts';
import { createAccessLogs } from '../../common/access_log/create_access_logs.ts';
import { compileEntryFormat } from '../../common/access_log/entry_format.ts';
import { FileLogger } from '../../common/access_log/file_logger.ts';
import { LogFiles } from '../../common/access_log/log_files.ts';
import { ipAddress, pipeAddress } from '../../common/address.ts';
import { now, tick, wallNow } from '../../common/clock.ts';
import { FILESYSTEM } from '../../common/stats/layouts.ts';
import { type ConnectionInfo, StreamInfo } from '../../common/stream_info.ts';
import { factoryByType } from '../../extensions/registry.ts';
import type { AccessLogger } from '../../spi/format.ts';
import type { StatsStore } from '../../spi/stats.ts';

type Admin = envoy.config.bootstrap.v3.Admin;

let lastId = 0;

export class AdminAccessLog {
  private readonly loggers: readonly AccessLogger[];
  private readonly files: LogFiles;

  private constructor(loggers: readonly AccessLogger[], files: LogFiles) {
    this.loggers = loggers;
    this.files = files;
  }

  /** Undefined when nothing is to be logged. `flushInterval` in milliseconds; `store` is the main thread's. */
  static async open(admin: Admin, flushInterval: number, store: StatsStore): Promise<AdminAccessLog | undefined> {
    if (admin.accessLog.length === 0 && admin.accessLogPath === '') return undefined;
    const files = new LogFiles(flushInterval, store.block(FILESYSTEM, 'filesystem.'));
    const created = new Map<string, unknown>();
    for (const { configType } of admin.accessLog) {
      const type = typeNameOf(configType.value?.typeUrl ?? '');
      created.set(type, (await factoryByType(type)?.load())?.default);
    }
    const extension = ({ typedConfig }: { readonly typedConfig?: { typeUrl: string; value: Uint8Array } }) =>
      typedConfig && {
        create: created.get(typeNameOf(typedConfig.typeUrl)),
        message: unpackAny(typedConfig as never),
      };
    const loggers = createAccessLogs(admin.accessLog, { files, extension: extension as never });
    const format = compileEntryFormat({ case: undefined });
    if (admin.accessLogPath !== '' && !('error' in format)) {
      loggers.push(new FileLogger(format.formatter, files.open(admin.accessLogPath)));
    }
    return new AdminAccessLog(loggers, files);
  }

  /** A request begins; what it gives is called at the end, with the status and the bytes of the body. */
  begin(request: IncomingMessage): (status: number, bytesSent: number) => void {
    tick();
    const info = new StreamInfo(connectionInfo(request), wallNow(), now);
    info.remoteAddress = info.connection!.remoteAddress;
    info.protocol = `HTTP/${request.httpVersion}` as Protocol;
    const head = requestHead(request, info.protocol);
    return (status, bytesSent) => {
      tick();
      info.endMonotonic = now;
      info.responseCode = status;
      info.responseCodeDetails = 'admin_filter_response';
      info.bytesSent = bytesSent;
      const context = { info, request: head, response: undefined, responseTrailers: undefined, localReplyBody: '' };
      for (const logger of this.loggers) logger.log(context);
    };
  }

  reopen(): void {
    this.files.reopen();
  }

  /** The process ends: writes what waits. */
  close(): void {
    this.files.flushSync();
  }
}

function requestHead(request: IncomingMessage, protocol: Protocol): RequestHead {
  const headers = new HeaderMap();
  const raw = request.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].toLowerCase();
    headers.add(findHeaderName(name) ?? makeHeaderName(name), raw[i + 1]);
  }
  const { method = 'GET', url: path = '/' } = request;
  return { method, path, authority: request.headers.host ?? '', scheme: 'http', protocol, headers };
}

function connectionInfo({ socket }: IncomingMessage): ConnectionInfo {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const remote = remoteAddress === undefined ? pipeAddress('') : ipAddress(remoteAddress, remotePort ?? 0);
  return {
    id: ++lastId,
    localAddress: localAddress === undefined ? pipeAddress('') : ipAddress(localAddress, localPort ?? 0),
    directRemoteAddress: remote,
    remoteAddress: remote,
    requestedServerName: '',
    terminationDetails: '',
    transportFailureReason: '',
    tls: undefined,
  };
}

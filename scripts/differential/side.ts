/** One proxy between a client that sends anything and recorders that note every byte it sends on; lanes run side by side. */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../../test/support/bootstrap.ts';
import { MessageBuffer, responseBody } from '../../test/support/http_message.ts';
import { type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { delay } from '../../test/support/wait_for.ts';
import { Recorder } from './recorder.ts';

/** What one proxy did with one input. */
export interface Outcome {
  /** Status codes of the answers, in order. */
  readonly statuses: readonly number[];
  /** The proxy closed the connection. */
  readonly closed: boolean;
  /** Bytes of each upstream connection of the exchange. */
  readonly sent: readonly Buffer[];
  /** Lines of the access log: what the proxy understood. */
  log: LogEntry[];
}

export interface LogEntry {
  readonly code: number;
  readonly flags: string;
  readonly details: string;
  readonly bodyBytes: number;
  readonly method: string;
  readonly path: string;
}

const logFormat =
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %REQ(:METHOD)% %REQ(:PATH)%\n';

export class Side {
  readonly name: string;
  private readonly lanes: Lane[] = [];
  private readonly proxy: RunningProxy;

  private constructor(name: string, proxy: RunningProxy, recorders: readonly Recorder[]) {
    this.name = name;
    this.proxy = proxy;
    recorders.forEach((recorder, index) => {
      this.lanes.push(new Lane(proxy.port(`lane${index}`), recorder, path.join(proxy.dir, `lane${index}.log`)));
    });
  }

  static async start(name: string, command: readonly string[] | undefined, lanes: number): Promise<Side> {
    const recorders = await Promise.all(Array.from({ length: lanes }, () => Recorder.start()));
    const proxy = await startProxy(
      (dir) => {
        const listeners = recorders.map((_, index) =>
          httpListener(`lane${index}`, [route('/', `c${index}`, { timeout: '2s' })], {
            access_log: [fileAccessLog(path.join(dir, `lane${index}.log`), logFormat)],
            stat_prefix: `lane${index}`,
          }),
        );
        // One exchange a connection: bytes are then known to belong to one input.
        const once = { max_requests_per_connection: 1 };
        return bootstrap(
          listeners,
          recorders.map(({ port }, index) => cluster(`c${index}`, [port], once)),
        );
      },
      { command },
    );
    return new Side(name, proxy, recorders);
  }

  /** Sends `input` on a connection of its own and waits until nothing more happens, `patience` milliseconds for a first byte. */
  exchange(lane: number, input: string, patience: number): Promise<Outcome> {
    return this.lanes[lane].exchange(input, patience);
  }

  /** Fills in the log entries of every outcome so far. */
  async readLogs(): Promise<void> {
    await delay(300);
    for (const lane of this.lanes) lane.readLog();
  }

  stderr(): string {
    return this.proxy.stderr();
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    for (const lane of this.lanes) lane.close();
  }
}

class Lane {
  private readonly port: number;
  private readonly recorder: Recorder;
  private readonly logFile: string;
  private logRead = 0;
  /** Outcomes by client port, oldest first. */
  private readonly byPort = new Map<string, Outcome[]>();

  constructor(port: number, recorder: Recorder, logFile: string) {
    this.port = port;
    this.recorder = recorder;
    this.logFile = logFile;
  }

  async exchange(input: string, patience: number): Promise<Outcome> {
    this.recorder.begin();
    const client = await talk(this.port, input, patience);
    // What is still on its way from the proxy to the recorder belongs to this input.
    await this.recorder.settle();
    const outcome: Outcome = { ...client, sent: this.recorder.end(), log: [] };
    const list = this.byPort.get(client.port);
    if (list === undefined) this.byPort.set(client.port, [outcome]);
    else list.push(outcome);
    return outcome;
  }

  /** Exchanges that had the same port cannot be told apart and get none. */
  readLog(): void {
    const text = readFileSync(this.logFile, 'latin1');
    const lines = text.slice(this.logRead).split('\n');
    this.logRead = text.length;
    for (const line of lines) {
      const [address, code, flags, details, bytes, method, ...target] = line.split(' ');
      const list = this.byPort.get(address.slice(address.lastIndexOf(':') + 1));
      if (list === undefined || list.length !== 1) continue;
      const entry = { code: Number(code), flags, details, bodyBytes: Number(bytes), method, path: target.join(' ') };
      list[0].log.push(entry);
    }
    this.byPort.clear();
  }

  close(): void {
    this.recorder.close();
  }
}

/** Milliseconds of silence after an answer before the exchange counts as over. */
const silence = 25;

function talk(
  port: number,
  input: string,
  patience: number,
): Promise<Pick<Outcome, 'statuses' | 'closed'> & { port: string }> {
  return new Promise((resolve, reject) => {
    const buffer = new MessageBuffer();
    const statuses: number[] = [];
    const method = input.trimStart().startsWith('HEAD') ? 'HEAD' : 'GET';
    let localPort = '';
    let timer = setTimeout(() => done(false), patience);
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      localPort = String(socket.localPort);
      socket.write(Buffer.from(input, 'latin1'));
    });
    const done = (closed: boolean): void => {
      clearTimeout(timer);
      socket.resetAndDestroy();
      resolve({ statuses, closed, port: localPort });
    };
    socket.on('data', (chunk: Buffer) => {
      buffer.push(chunk);
      for (;;) {
        const message = buffer.takeMessage(responseBody(method), false);
        if (message === undefined) break;
        statuses.push(Number(message.startLine.slice(9, 12)));
      }
      clearTimeout(timer);
      timer = setTimeout(() => done(false), silence);
    });
    socket.on('end', () => done(true));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (localPort === '') reject(error);
      else done(true);
    });
  });
}

/** Application log by component and level, as Envoy's `-l` and `--component-log-level` set them; every thread has its own. */
import { compileLogFormat, DEFAULT_LOG_FORMAT, escapeLogLine, type LogFormatter } from './log_format.ts';
import { LogWriter } from './log_writer.ts';

/** Levels by severity: a level's index is its severity. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Envoy's components in the order of its `/logging`; a logger with another name is added behind them. */
export const LOG_COMPONENTS: readonly string[] = (
  'a2a admin ai_protocol_manager alternate_protocols_cache aws assert backtrace basic_auth cache_filter client config ' +
  'connection conn_handler compression credential_injector decompression dns dubbo envoy_bug ext_authz ext_proc rocketmq ' +
  'file filter forward_proxy geolocation grpc happy_eyeballs hc health_checker http http2 hystrix init io jwt json_rpc ' +
  'kafka key_value_store lua local_rate_limit main matcher mcp misc mongo multi_connection notification oauth2 quic ' +
  'quic_stream pool rate_limit_quota rbac rds redis router runtime stats secret sse tap testing thrift tracing upstream ' +
  'udp wasm websocket golang stats_sinks dynamic_modules ip_tagging'
).split(' ');

/** Where the lines go and how they look. */
export interface LogSink {
  /** Appended to; stderr when absent or empty. */
  readonly path?: string;
  /** A spdlog pattern; Envoy's default when absent. */
  readonly format?: string;
  /** `--log-format-escaped`: line feeds and other C escapes inside a line are written as `\n`. */
  readonly escaped?: boolean;
  /** Stands for `%t` where the system gives no thread id. */
  readonly threadName?: string;
}

/** All a thread needs to know of the log; can be passed between threads. */
export interface LogOptions extends LogSink {
  readonly level: LogLevel;
  /** Component → level. */
  readonly componentLevels: Readonly<Record<string, LogLevel>>;
}

/** The log of one component. Test the flag before building an expensive text; the methods test it again. */
export interface Logger {
  readonly component: string;
  readonly traceOn: boolean;
  readonly debugOn: boolean;
  readonly infoOn: boolean;
  readonly warnOn: boolean;
  readonly errorOn: boolean;
  trace(text: string): void;
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  critical(text: string): void;
}

class ComponentLogger implements Logger {
  readonly component: string;
  traceOn = false;
  debugOn = false;
  infoOn = false;
  warnOn = false;
  errorOn = false;
  level: LogLevel = 'info';

  constructor(component: string, level: LogLevel) {
    this.component = component;
    this.setLevel(level);
  }

  setLevel(level: LogLevel): void {
    const severity = LOG_LEVELS.indexOf(level);
    this.level = level;
    this.traceOn = severity <= 0;
    this.debugOn = severity <= 1;
    this.infoOn = severity <= 2;
    this.warnOn = severity <= 3;
    this.errorOn = severity <= 4;
  }

  trace(text: string): void {
    if (this.traceOn) write('trace', this.component, text);
  }
  debug(text: string): void {
    if (this.debugOn) write('debug', this.component, text);
  }
  info(text: string): void {
    if (this.infoOn) write('info', this.component, text);
  }
  warn(text: string): void {
    if (this.warnOn) write('warning', this.component, text);
  }
  error(text: string): void {
    if (this.errorOn) write('error', this.component, text);
  }
  critical(text: string): void {
    if (this.level !== 'off') write('critical', this.component, text);
  }
}

let baseLevel: LogLevel = 'info';
let formatter: LogFormatter = compileLogFormat(DEFAULT_LOG_FORMAT, '');
let escaped = false;
let writer = new LogWriter(undefined);
const loggers = new Map<string, ComponentLogger>();
for (const component of LOG_COMPONENTS) loggers.set(component, new ComponentLogger(component, baseLevel));

// The formatter looks four frames up for the caller of Logger.info(): keep this function between the two.
function write(level: LogLevel, component: string, text: string): void {
  const line = formatter(level, component, text);
  writer.write((escaped ? escapeLogLine(line) : line) + '\n');
}

/** The logger of a component (Envoy's name of it); the same object for the same name. */
export function logger(component: string): Logger {
  let known = loggers.get(component);
  if (known === undefined) {
    known = new ComponentLogger(component, baseLevel);
    loggers.set(component, known);
  }
  return known;
}

/**
 * Sets this thread's levels and, when given, where its lines go. Levels of components not named become `base`.
 * Throws when the path of the sink cannot be opened.
 */
export function setLogLevels(base: LogLevel, components: Readonly<Record<string, LogLevel>>, sink?: LogSink): void {
  baseLevel = base;
  for (const each of loggers.values()) each.setLevel(components[each.component] ?? base);
  for (const name of Object.keys(components)) (logger(name) as ComponentLogger).setLevel(components[name]);
  if (sink === undefined) return;
  const next = new LogWriter(sink.path || undefined);
  writer.close();
  writer = next;
  formatter = compileLogFormat(sink.format ?? DEFAULT_LOG_FORMAT, sink.threadName ?? '');
  escaped = sink.escaped ?? false;
}

/** Changes one component's level, or every one's when `component` is undefined; false when there is no such component. */
export function changeLevel(component: string | undefined, level: LogLevel): boolean {
  if (component === undefined) {
    baseLevel = level;
    for (const each of loggers.values()) each.setLevel(level);
    return true;
  }
  const known = loggers.get(component);
  known?.setLevel(level);
  return known !== undefined;
}

/** Every component and its level, in the order of Envoy's `/logging`. */
export function listLevels(): { component: string; level: LogLevel }[] {
  return Array.from(loggers.values(), ({ component, level }) => ({ component, level }));
}

/** Envoy's reading of a level's name: `warn` is `warning`; undefined when there is no such level. */
export function parseLogLevel(name: string): LogLevel | undefined {
  return name === 'warn' ? 'warning' : LOG_LEVELS.find((level) => level === name);
}

/** Opens the `--log-path` file again, after it was moved away (Envoy does so on SIGUSR1). */
export function reopenLog(): void {
  writer.reopen();
}

/** What Envoy writes before a line about a connection. */
export function connectionTag(connectionId: number): string {
  return `[Tags: "ConnectionId":"${connectionId}"] `;
}

/** What Envoy writes before a line about a stream. */
export function streamTag(connectionId: number, streamId: number | string): string {
  return `[Tags: "ConnectionId":"${connectionId}","StreamId":"${streamId}"] `;
}

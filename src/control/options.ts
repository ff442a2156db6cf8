/** Step 0 of a start: argv → Options, with Envoy's rules, error texts and exit codes. */
import { availableParallelism } from 'node:os';
import { defaultConcurrency } from '../common/concurrency.ts';
import { LOG_COMPONENTS, type LogLevel, type LogOptions, parseLogLevel } from '../common/log.ts';
import { DEFAULT_LOG_FORMAT } from '../common/log_format.ts';
import { VERSION_TEXT } from '../common/version.ts';
import { type FlagValues, helpText, parseCommandLine, parseErrorText } from './command_line.ts';
import { OWN_FLAGS } from './option_flags.ts';

/** Everything the command line decides. */
export interface Options {
  /** True without any argument: nothing was asked for but to see it work. */
  readonly demo: boolean;
  readonly mode: 'serve' | 'validate' | 'init_only';
  /** Empty when not given. At least one of the two is given unless `demo`. */
  readonly configPath: string;
  /** Merged over the contents of configPath. */
  readonly configYaml: string;
  /** The file is loaded again whenever it changes. */
  readonly watch: boolean;
  /** Workers, 1 to MAX_CONCURRENCY. */
  readonly concurrency: number;
  readonly allowUnknownStaticFields: boolean;
  readonly rejectUnknownDynamicFields: boolean;
  readonly ignoreUnknownDynamicFields: boolean;
  readonly skipDeprecatedLogs: boolean;
  /** Where the address of the admin listener is written to; empty for nowhere. */
  readonly adminAddressPath: string;
  readonly localAddressIpVersion: 'v4' | 'v6';
  readonly log: LogOptions;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly serviceZone: string;
  /** `user_agent_name` of the node as control planes are told it. */
  readonly userAgentName: string;
  readonly fileFlushIntervalMs: number;
  readonly fileFlushMinSizeKb: number;
  readonly drainTimeS: number;
  readonly drainStrategy: 'gradual' | 'immediate';
  readonly parentShutdownTimeS: number;
  /** Above 0: another process of ours may listen on the same ports, until it is told to drain. */
  readonly restartEpoch: number;
  /** `tag:value` each. */
  readonly statsTags: readonly string[];
  /** Lines for the log once it is set up, level warning, component config. */
  readonly warnings: readonly string[];
  /** `command_line_options` of /server_info, in Envoy's order. */
  readonly commandLineOptions: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** Either options to run with or what to print before exiting with `code`. */
export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: Options }
  | { readonly kind: 'exit'; readonly code: 0 | 1; readonly stdout: string; readonly stderr: string };

/** More threads than this exhaust memory before they serve anything. */
const MAX_CONCURRENCY = 1024;

/** Flags that are read but change nothing here, though a user could count on them. */
const NO_EFFECT: readonly (readonly [flag: string, instead: string])[] = [
  ['base-id-path', 'there is no hot restart, so no base ID'],
  ['disable-extensions', 'no extension can be disabled'],
  ['enable-core-dump', "use the shell's ulimit -c"],
  ['enable-fine-grain-logging', 'use --component-log-level'],
  ['enable-mutex-tracing', 'there are no mutexes to trace'],
  ['use-dynamic-base-id', 'there is no hot restart, so no base ID'],
];

/** What Envoy prints after `error: `. */
class OptionError extends Error {}

class Reader {
  private readonly values: FlagValues;
  constructor(values: FlagValues) {
    this.values = values;
  }
  given(name: string): boolean {
    return this.values.has(name);
  }
  text(name: string, otherwise = ''): string {
    return (this.values.get(name) as string | undefined) ?? otherwise;
  }
  number(name: string, otherwise: number): number {
    return (this.values.get(name) as number | undefined) ?? otherwise;
  }
  list(name: string): readonly string[] {
    return (this.values.get(name) as readonly string[] | undefined) ?? [];
  }
  /** One of `choices`, the first when not given. */
  choice<T extends string>(name: string, what: string, choices: readonly T[]): T {
    const text = this.text(name, choices[0]);
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new OptionError(`unknown ${what} '${text}'`);
    return found;
  }
}

/** Reads the elements after the program's name. `cores` is the default of --concurrency. */
export function parseOptions(argv: readonly string[], cores: () => number = defaultConcurrency): ParsedOptions {
  const parsed = parseCommandLine(argv);
  switch (parsed.kind) {
    case 'help':
      return { kind: 'exit', code: 0, stdout: helpText('nuncio', OWN_FLAGS), stderr: '' };
    case 'version':
      return { kind: 'exit', code: 0, stdout: `\nnuncio  version: ${VERSION_TEXT}\n\n`, stderr: '' };
    case 'error':
      return failure(parseErrorText('nuncio', parsed.argument, parsed.problem));
    default:
      break;
  }
  const reader = new Reader(parsed.values);
  if (reader.given('hot-restart-version')) return { kind: 'exit', code: 0, stdout: 'disabled\n', stderr: '' };
  try {
    const options = readOptions(reader, argv.length === 0, cores);
    if (!options.demo && options.configPath === '' && options.configYaml === '') {
      return failure('At least one of --config-path or --config-yaml or Options::configProto() should be non-empty\n');
    }
    return { kind: 'run', options };
  } catch (error) {
    if (error instanceof OptionError) return failure(`error: ${error.message}\n`);
    throw error;
  }
}

function failure(stderr: string): ParsedOptions {
  return { kind: 'exit', code: 1, stdout: '', stderr };
}

// In Envoy's order of checks: of several mistakes the same one is told.
function readOptions(reader: Reader, demo: boolean, cores: () => number): Options {
  const level = readLevel(reader.text('log-level', 'info'));
  const componentLevels = readComponentLevels(reader.text('component-log-level'));
  if (reader.given('enable-fine-grain-logging') && reader.text('component-log-level') !== '') {
    throw new OptionError('--component-log-level will not work with --enable-fine-grain-logging');
  }
  const mode = reader.choice('mode', 'mode', ['serve', 'validate', 'init_only']);
  const localAddressIpVersion = reader.choice('local-address-ip-version', 'IP address version', ['v4', 'v6']);
  const drainStrategy = reader.choice('drain-strategy', 'drain-strategy', ['gradual', 'immediate']);
  const epoch = reader.number('restart-epoch', 0);
  if (epoch !== 0 && reader.given('use-dynamic-base-id')) {
    throw new OptionError(`cannot use --restart-epoch=${epoch} with --use-dynamic-base-id`);
  }
  const statsTags = reader.list('stats-tag');
  for (const tag of statsTags) checkStatsTag(tag);

  const options: Omit<Options, 'commandLineOptions'> = {
    demo,
    mode,
    configPath: reader.text('config-path'),
    configYaml: reader.text('config-yaml'),
    watch: reader.given('watch'),
    concurrency: readConcurrency(reader, cores),
    allowUnknownStaticFields: reader.given('allow-unknown-static-fields') || reader.given('allow-unknown-fields'),
    rejectUnknownDynamicFields: reader.given('reject-unknown-dynamic-fields'),
    ignoreUnknownDynamicFields: reader.given('ignore-unknown-dynamic-fields'),
    skipDeprecatedLogs: reader.given('skip-deprecated-logs'),
    adminAddressPath: reader.text('admin-address-path'),
    localAddressIpVersion,
    log: {
      level,
      componentLevels,
      path: reader.text('log-path'),
      format: reader.text('log-format', DEFAULT_LOG_FORMAT),
      escaped: reader.given('log-format-escaped'),
    },
    serviceCluster: reader.text('service-cluster'),
    serviceNode: reader.text('service-node'),
    serviceZone: reader.text('service-zone'),
    userAgentName: reader.text('user-agent-name', 'envoy'),
    fileFlushIntervalMs: reader.number('file-flush-interval-msec', 10_000),
    fileFlushMinSizeKb: reader.number('file-flush-min-size-kb', 64),
    drainTimeS: reader.number('drain-time-s', 600),
    drainStrategy,
    parentShutdownTimeS: reader.number('parent-shutdown-time-s', 900),
    restartEpoch: epoch,
    statsTags,
    warnings: warningsOf(reader),
  };
  return { ...options, commandLineOptions: serverInfoOptions(options, reader) };
}

function readLevel(name: string): LogLevel {
  const level = parseLogLevel(name);
  if (level === undefined) throw new OptionError(`invalid log level specified '${name}'`);
  return level;
}

function readComponentLevels(text: string): Record<string, LogLevel> {
  const levels: Record<string, LogLevel> = {};
  if (text === '') return levels;
  for (const pair of text.split(',')) {
    const [component, name, ...more] = pair.split(':');
    if (name === undefined || more.length > 0) {
      throw new OptionError(`component log level not correctly specified '${pair}'`);
    }
    const level = readLevel(name);
    if (!LOG_COMPONENTS.includes(component)) throw new OptionError(`invalid component specified '${component}'`);
    levels[component] = level;
  }
  return levels;
}

function checkStatsTag(tag: string): void {
  const colon = tag.indexOf(':');
  if (colon === -1) throw new OptionError(`misformatted stats-tag '${tag}'`);
  const name = tag.slice(0, colon);
  const value = tag.slice(colon + 1);
  const wrong = !/^[A-Za-z0-9]+$/.test(name) ? name : /^[^.]+$/.test(value) ? undefined : value;
  if (wrong !== undefined) throw new OptionError(`misformatted stats-tag '${tag}' contains invalid char in '${wrong}'`);
}

function readConcurrency(reader: Reader, cores: () => number): number {
  // --concurrency wins over --cpuset-threads; the cpuset is respected either way.
  const concurrency = reader.given('concurrency') ? Math.max(1, reader.number('concurrency', 1)) : cores();
  if (concurrency > MAX_CONCURRENCY) {
    throw new OptionError(
      `--concurrency ${concurrency} is more than ${MAX_CONCURRENCY} (this machine has ${availableParallelism()} cores)`,
    );
  }
  return concurrency;
}

function warningsOf(reader: Reader): string[] {
  const warnings: string[] = [];
  if (reader.given('concurrency') && reader.given('cpuset-threads')) {
    warnings.push('Both --concurrency and --cpuset-threads options are set; not applying --cpuset-threads.');
  }
  if (reader.given('allow-unknown-fields')) {
    warnings.push('--allow-unknown-fields is deprecated, use --allow-unknown-static-fields instead.');
  }
  if (reader.given('watch') && !reader.given('config-path')) {
    warnings.push('--watch has no effect without --config-path.');
  }
  for (const [flag, instead] of NO_EFFECT) {
    if (reader.given(flag)) warnings.push(`--${flag} has no effect in nuncio: ${instead}.`);
  }
  return warnings;
}

/** A google.protobuf.Duration in JSON: no fraction or three digits. */
function durationText(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${(milliseconds / 1000).toFixed(3)}s`;
}

const MODE_NAMES = { serve: 'Serve', validate: 'Validate', init_only: 'InitOnly' } as const;

function serverInfoOptions(
  options: Omit<Options, 'commandLineOptions'>,
  reader: Reader,
): Options['commandLineOptions'] {
  const extensions = reader.text('disable-extensions');
  return {
    base_id: '' + reader.number('base-id', 0),
    concurrency: options.concurrency,
    config_path: options.configPath,
    config_yaml: options.configYaml,
    allow_unknown_static_fields: options.allowUnknownStaticFields,
    admin_address_path: options.adminAddressPath,
    local_address_ip_version: options.localAddressIpVersion,
    log_level: options.log.level,
    component_log_level: reader.text('component-log-level'),
    log_format: options.log.format ?? DEFAULT_LOG_FORMAT,
    log_path: options.log.path ?? '',
    service_cluster: options.serviceCluster,
    service_node: options.serviceNode,
    service_zone: options.serviceZone,
    file_flush_interval: durationText(options.fileFlushIntervalMs),
    drain_time: `${options.drainTimeS}s`,
    parent_shutdown_time: `${options.parentShutdownTimeS}s`,
    mode: MODE_NAMES[options.mode],
    disable_hot_restart: reader.given('disable-hot-restart'),
    enable_mutex_tracing: reader.given('enable-mutex-tracing'),
    restart_epoch: reader.number('restart-epoch', 0),
    cpuset_threads: reader.given('cpuset-threads'),
    reject_unknown_dynamic_fields: options.rejectUnknownDynamicFields,
    log_format_escaped: options.log.escaped ?? false,
    disabled_extensions: extensions === '' ? [] : extensions.split(','),
    ignore_unknown_dynamic_fields: options.ignoreUnknownDynamicFields,
    use_dynamic_base_id: reader.given('use-dynamic-base-id'),
    base_id_path: reader.text('base-id-path'),
    drain_strategy: options.drainStrategy === 'immediate' ? 'Immediate' : 'Gradual',
    enable_fine_grain_logging: reader.given('enable-fine-grain-logging'),
    socket_path: reader.text('socket-path', '@envoy_domain_socket'),
    // Envoy 1.40 answers 0, false and 0 for these three whatever the flags say.
    socket_mode: 0,
    enable_core_dump: false,
    stats_tag: options.statsTags,
    skip_hot_restart_on_no_parent: reader.given('skip-hot-restart-on-no-parent'),
    skip_hot_restart_parent_stats: reader.given('skip-hot-restart-parent-stats'),
    skip_deprecated_logs: options.skipDeprecatedLogs,
    file_flush_min_size: 0,
    log_stacktrace_single_entry: reader.given('log-stacktrace-single-entry'),
  };
}

/** What descriptors and rules cannot say of listeners and filter chains (control path, step 2). */
import { SocketAddress_Protocol } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf } from '../api/registry.ts';
import { ipVersion } from '../common/address.ts';
import { socketOptionProblem } from '../common/socket_options.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import { checkConfigDiscovery } from './check_discovered_extensions.ts';
import { checkFilterChains } from './check_filter_chains.ts';
import { rowOf } from './check_supported.ts';
import { type ExtensionLookup, extensionName, isEnvoysExtension } from './extension_points.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';

type Listener = envoy.config.listener.v3.Listener;

export function checkListeners(listeners: readonly Listener[], report: Report): void {
  const names = new Set<string>();
  const addresses = new Map<string, string>();
  for (const listener of listeners) {
    if (listener.name !== '' && names.has(listener.name)) {
      const reason = `an earlier listener has the name '${listener.name}': this one is ignored, as in Envoy`;
      report.warnIn(listener, 'name', reason, 'give it a name of its own');
      continue;
    }
    names.add(listener.name);
    if (listener.address === undefined) {
      // An internal listener has none, and is refused by its own name.
      if (listener.listenerSpecifier.case === undefined) report.errorIn(listener, 'address', "'address' is required");
    } else {
      checkAddress(listener, 'address', listener.address, addresses, report);
      listener.additionalAddresses.forEach(({ address }, i) => {
        if (address !== undefined)
          checkAddress(listener, `additional_addresses[${i}].address`, address, addresses, report);
      });
    }
    checkSocketOptions(listener, report);
    if (!isUdp(listener)) checkFilterChains(listener, report);
    checkSwitches(listener, report);
  }
}

/** Refused by name, and without filter chains. */
function isUdp({ address }: Listener): boolean {
  const specifier = address?.address;
  return specifier?.case === 'socketAddress' && specifier.value.protocol === SocketAddress_Protocol.UDP;
}

const switches = {
  use_original_dst: 'Node.js cannot read SO_ORIGINAL_DST',
  transparent: 'Node.js cannot set IP_TRANSPARENT',
  freebind: 'Node.js cannot set IP_FREEBIND',
} as const;

/** What a system call would be needed for that Node does not make. */
function checkSwitches(listener: Listener, report: Report): void {
  const { useOriginalDst, transparent, freebind } = listener;
  const on = { use_original_dst: useOriginalDst, transparent, freebind };
  for (const [field, reason] of Object.entries(switches)) {
    if (on[field as keyof typeof switches]) report.errorIn(listener, field, `'${field}' is not supported: ${reason}`);
  }
  const without = (field: string, reason: string) => report.warnIn(listener, field, `no effect: ${reason}`);
  if (listener.connectionBalanceConfig !== undefined) {
    const reason = 'the kernel spreads connections over the sockets of the workers (SO_REUSEPORT)';
    without('connection_balance_config', reason);
  }
  if (listener.tcpFastOpenQueueLength) {
    without('tcp_fast_open_queue_length', 'Node.js cannot set TCP_FASTOPEN, connections begin with three packets');
  }
  if (listener.enableMptcp) without('enable_mptcp', 'Node.js opens TCP sockets, over which MPTCP clients speak TCP');
}

/** Node sets a few options of sockets; the others are refused by name. */
function checkSocketOptions(listener: Listener, report: Report): void {
  const { additionalAddresses } = listener;
  const options = [listener, ...additionalAddresses.map((additional) => additional.socketOptions)];
  for (const option of options.flatMap((holder) => holder?.socketOptions ?? [])) {
    const problem = socketOptionProblem(option);
    if (problem !== undefined) report.errorIn(option as unknown as AnyMessage, '', problem);
  }
}

function checkAddress(
  listener: Listener,
  path: string,
  { address }: envoy.config.core.v3.Address,
  taken: Map<string, string>,
  report: Report,
): void {
  if (address?.case === 'pipe') checkPipe(listener, `${path}.pipe`, address.value, report);
  if (address?.case !== 'socketAddress' || address.value.address === '') return;
  const { address: ip, portSpecifier, ipv4Compat } = address.value;
  if (ipVersion(ip) === 0) {
    report.errorIn(listener, `${path}.socket_address.address`, `malformed IP address: ${ip}`);
  }
  if (address.value.protocol !== SocketAddress_Protocol.TCP) return; // refused by name; its ports are others
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
  const text = `${ip}:${port}`;
  if (ipv4Compat && !/^[0:]+$/.test(ip) && !ip.toLowerCase().startsWith('::ffff:')) {
    const reason = `Only IPv6 address '::' or valid IPv4-mapped IPv6 address can set ipv4_compat: ${text}`;
    report.errorIn(listener, `${path}.socket_address.ipv4_compat`, reason);
  }
  const other = taken.get(text);
  if (port !== 0 && other !== undefined) {
    report.errorIn(listener, path, `listener '${listener.name}' has the address ${text} of listener '${other}'`);
  }
  taken.set(text, listener.name);
}

/** Bytes of a UNIX socket's path with its final NUL (unix(7)). */
const longestPath = 108;

function checkPipe(listener: Listener, at: string, pipe: envoy.config.core.v3.Pipe, report: Report): void {
  const { path, mode } = pipe;
  if (Buffer.byteLength(path) >= longestPath) {
    const reason = `Path "${path}" exceeds maximum UNIX domain socket path size of ${longestPath}.`;
    report.errorIn(listener, `${at}.path`, reason);
  }
  if (path.startsWith('@') && mode !== 0) {
    report.errorIn(listener, `${at}.mode`, 'Cannot set mode for Abstract AF_UNIX sockets');
  }
}

/** A list of filters, of a filter chain (`network`) or a connection manager (`http`): the terminal one must be last, and is. */
export function checkFilterOrder(
  owner: AnyMessage,
  field: string,
  chain: 'network' | 'http',
  extensions: ExtensionLookup,
  report: Report,
): void {
  const filters = owner[field === 'filters' ? 'filters' : 'httpFilters'] as Filter[];
  filters.forEach((filter, i) => {
    const factory = factoryOf(filter, extensions);
    if (factory === undefined) return; // reported as unknown or unsupported
    const last = i === filters.length - 1;
    const label = `filter named ${filter.name} of type ${factory.name}`;
    if (factory.terminal === true && !last) {
      report.errorIn(owner, `${field}[${i}]`, `terminal ${label} must be the last filter in a ${chain} filter chain.`);
    }
    if (factory.terminal !== true && last) {
      report.errorIn(owner, `${field}[${i}]`, `non-terminal ${label} is the last filter in a ${chain} filter chain.`);
    }
  });
}

interface Filter {
  readonly name: string;
  readonly configType: { readonly case: string | undefined; readonly value?: unknown };
}

function factoryOf(filter: Filter, extensions: ExtensionLookup): ExtensionFactory | undefined {
  // Of what is discovered the default is looked at; the rest is when it comes.
  if (filter.configType.case === 'configDiscovery') {
    const { defaultConfig } = filter.configType.value as envoy.config.core.v3.ExtensionConfigSource;
    return defaultConfig && extensions.byType(typeNameOf(defaultConfig.typeUrl));
  }
  if (filter.configType.case !== 'typedConfig') return undefined;
  return extensions.byType(typeNameOf((filter.configType.value as { typeUrl: string }).typeUrl));
}

/** The extension of a filter, access logger or transport socket: there must be one, and of this category. */
export function checkExtension(
  point: AnyMessage,
  category: ExtensionFactory['category'],
  extensions: ExtensionLookup,
  report: Report,
  origins: Origins,
): void {
  const { name, configType } = point as unknown as Filter;
  const typeUrl = configType.case === 'typedConfig' ? (configType.value as { typeUrl: string }).typeUrl : '';
  if (origins.of(point)?.fields.get('typed_config')?.failed) return;
  if (configType.case === 'configDiscovery') {
    const source = configType.value as envoy.config.core.v3.ExtensionConfigSource;
    checkConfigDiscovery(point, name, source, category, extensions, report);
    return;
  }
  if (typeUrl === '') {
    if (name.startsWith(`${category}.`) && isEnvoysExtension(name) && extensions.byName(category, name) === undefined) {
      report.errorIn(point, '', `${name} is not supported yet`);
      return;
    }
    report.errorIn(
      point,
      '',
      `'typed_config' is missing: no extension is known by the name '${name}' alone`,
      nameHint(name),
    );
    return;
  }
  const type = typeNameOf(typeUrl);
  const factory = extensions.byType(type);
  if (factory !== undefined && factory.category !== category) {
    report.errorIn(point, 'typed_config', `${factory.name} is not of ${category}, which is expected here`);
  } else if (factory === undefined && rowOf(type) !== undefined && !type.includes('.transport_sockets.')) {
    const label = extensionName(type);
    const reason = label.startsWith(`${category}.`)
      ? 'is not supported yet'
      : `is not of ${category}, which is expected here`;
    report.errorIn(point, 'typed_config', `${label} ${reason}`);
  }
}

function nameHint(name: string): string | undefined {
  return name.startsWith('envoy.') ? "give it a 'typed_config' with its '@type'" : undefined;
}

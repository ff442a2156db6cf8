/** envoy.filters.listener.proxy_protocol: takes the ends of a connection from the header a proxy has put in front of it. */
import {
  mayBeProxyHeader,
  type ProxyHeader,
  ProxyProtocolReader,
  ProxyStatus,
} from '../../../../../native-free/preamble/proxy_protocol.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { ipAddress } from '../../../../common/address.ts';
import { type ProxyProtocolState, proxyProtocolKey } from '../../../../common/filter_state/proxy_protocol.ts';
import { connectionTag, logger } from '../../../../common/log.ts';
import { PROXY_PROTOCOL, PROXY_PROTOCOL_VERSION } from '../../../../common/stats/layouts.ts';
import {
  type ListenerFilter,
  type ListenerFilterCallbacks,
  type ListenerFilterMaker,
  ListenerFilterStatus,
} from '../../../../spi/listener_filter.ts';
import type { StatHandle } from '../../../../spi/stats.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';
import { compileTlvRules, type TlvRules } from './tlv_rules.ts';

type Message = envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol;

interface Settings {
  readonly general: Float64Array;
  readonly versions: { readonly 1: Float64Array; readonly 2: Float64Array };
  readonly errors: StatHandle;
  readonly allowsWithout: boolean;
  readonly allowed: { readonly 1: boolean; readonly 2: boolean };
  readonly tlvs: TlvRules;
}

const log = logger('filter');
const { slot } = PROXY_PROTOCOL_VERSION;

class ProxyProtocolFilter implements ListenerFilter {
  private readonly settings: Settings;
  private readonly callbacks: ListenerFilterCallbacks;
  private readonly reader = new ProxyProtocolReader();

  constructor(settings: Settings, callbacks: ListenerFilterCallbacks) {
    this.settings = settings;
    this.callbacks = callbacks;
  }

  get maxReadBytes(): number {
    return this.reader.wanted;
  }

  onAccept(): ListenerFilterStatus {
    return ListenerFilterStatus.StopIteration;
  }

  onData(bytes: Buffer, length: number): ListenerFilterStatus {
    const { settings, reader } = this;
    const { allowed, general, versions } = settings;
    if (settings.allowsWithout && !this.mayBeHeader(bytes, length)) {
      general[PROXY_PROTOCOL.slot.not_found_allowed]++;
      return ListenerFilterStatus.Continue;
    }
    const status = reader.read(bytes, length);
    if (reader.version !== 0 && !allowed[reader.version]) {
      versions[reader.version][slot.found]++;
      versions[reader.version][slot.disallowed]++;
      return ListenerFilterStatus.Close;
    }
    if (status === ProxyStatus.More) return ListenerFilterStatus.StopIteration;
    if (status === ProxyStatus.Error) {
      if (reader.version === 0) general[PROXY_PROTOCOL.slot.not_found_disallowed]++;
      else versions[reader.version][slot.error]++;
      settings.errors.values[settings.errors.index]++;
      return ListenerFilterStatus.Close;
    }
    versions[reader.version as 1 | 2][slot.found]++;
    this.take(reader.header!);
    return ListenerFilterStatus.Continue;
  }

  private mayBeHeader(bytes: Buffer, length: number): boolean {
    const { allowed } = this.settings;
    return (allowed[1] && mayBeProxyHeader(bytes, length, 1)) || (allowed[2] && mayBeProxyHeader(bytes, length, 2));
  }

  private take({ local, source, destination, tlvs, intact, length }: ProxyHeader): void {
    const { callbacks, settings } = this;
    const { info } = callbacks;
    callbacks.drain(length);
    if (!intact) log.debug(`${connectionTag(info.id)}a PROXY protocol header has a wrong checksum; Envoy takes it too`);
    settings.tlvs.store(tlvs, callbacks);
    if (!local && source !== undefined && destination !== undefined) {
      info.remoteAddress = ipAddress(source.ip, source.port);
      info.localAddress = ipAddress(destination.ip, destination.port);
    }
    const state: ProxyProtocolState = {
      source: info.remoteAddress,
      destination: info.localAddress,
      tlvs: tlvs.filter(({ type }) => settings.tlvs.passesThrough(type)),
    };
    callbacks.setFilterState(proxyProtocolKey, state);
  }
}

export default function create(message: Message, { stats }: WorkerContext): ListenerFilterMaker {
  const prefix = message.statPrefix === '' ? 'proxy_proto.' : `proxy_proto.${message.statPrefix}.`;
  const settings: Settings = {
    general: stats.block(PROXY_PROTOCOL, prefix),
    versions: {
      1: stats.block(PROXY_PROTOCOL_VERSION, `${prefix}versions.v1.`),
      2: stats.block(PROXY_PROTOCOL_VERSION, `${prefix}versions.v2.`),
    },
    errors: stats.counter('downstream_cx_proxy_proto_error'),
    allowsWithout: message.allowRequestsWithoutProxyProtocol,
    // The enum counts from 0.
    allowed: { 1: !message.disallowedVersions.includes(0), 2: !message.disallowedVersions.includes(1) },
    tlvs: compileTlvRules(message),
  };
  return (callbacks) => new ProxyProtocolFilter(settings, callbacks);
}

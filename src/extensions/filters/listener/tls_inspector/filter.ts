/** envoy.filters.listener.tls_inspector: reads what a TLS client says first, so that the filter chain can be chosen by it. */
import { createHash } from 'node:crypto';
import { type ClientHello, ClientHelloReader, HelloStatus } from '../../../../../native-free/preamble/client_hello.ts';
import { ja3Text, ja4Parts } from '../../../../../native-free/preamble/tls_fingerprint.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { TLS_INSPECTOR } from '../../../../common/stats/layouts.ts';
import {
  type ListenerFilter,
  type ListenerFilterCallbacks,
  type ListenerFilterMaker,
  ListenerFilterStatus,
} from '../../../../spi/listener_filter.ts';
import type { Histogram } from '../../../../spi/stats.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';
import { mostHelloBytes } from './config.ts';

type Message = envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector;

interface Settings {
  readonly stats: Float64Array;
  readonly bytesProcessed: Histogram;
  readonly ja3: boolean;
  readonly ja4: boolean;
  /** What cannot be a ClientHello ends the connection. */
  readonly closes: boolean;
  readonly most: number;
}

const { slot } = TLS_INSPECTOR;
const namespace = 'envoy.filters.listener.tls_inspector';

class TlsInspectorFilter implements ListenerFilter {
  readonly maxReadBytes: number;
  private readonly settings: Settings;
  private readonly callbacks: ListenerFilterCallbacks;
  private readonly reader: ClientHelloReader;
  private seen = 0;

  constructor(settings: Settings, callbacks: ListenerFilterCallbacks) {
    this.settings = settings;
    this.callbacks = callbacks;
    this.maxReadBytes = settings.most;
    this.reader = new ClientHelloReader(settings.most);
  }

  onAccept(): ListenerFilterStatus {
    return ListenerFilterStatus.StopIteration;
  }

  onData(bytes: Buffer, length: number): ListenerFilterStatus {
    const { reader, settings } = this;
    const status = reader.push(bytes, this.seen, length);
    this.seen = length;
    if (status === HelloStatus.More) return ListenerFilterStatus.StopIteration;
    settings.bytesProcessed.record(status === HelloStatus.TooLarge ? settings.most : reader.consumed);
    if (status === HelloStatus.Found) return this.onHello(reader.hello!);
    return status === HelloStatus.TooLarge ? this.onTooLarge() : this.onNotTls(length);
  }

  private onHello(hello: ClientHello): ListenerFilterStatus {
    const { stats, ja3, ja4 } = this.settings;
    const { info } = this.callbacks;
    stats[slot.tls_found]++;
    stats[hello.alpn === undefined ? slot.alpn_not_found : slot.alpn_found]++;
    stats[hello.serverName === '' ? slot.sni_not_found : slot.sni_found]++;
    info.detectedTransportProtocol = 'tls';
    if (hello.alpn !== undefined) info.requestedApplicationProtocols = hello.alpn;
    if (hello.serverName !== '') info.requestedServerName = hello.serverName.toLowerCase();
    if (ja3) info.ja3Hash = createHash('md5').update(ja3Text(hello)).digest('hex');
    if (ja4) info.ja4Hash = ja4Hash(hello);
    return ListenerFilterStatus.Continue;
  }

  private onTooLarge(): ListenerFilterStatus {
    this.settings.stats[slot.client_hello_too_large]++;
    this.callbacks.setDynamicMetadata(namespace, { failure_reason: 'ClientHelloTooLarge' });
    return ListenerFilterStatus.Close;
  }

  private onNotTls(length: number): ListenerFilterStatus {
    const { stats, closes, most } = this.settings;
    if (closes) {
      if (length < most) return ListenerFilterStatus.Close;
      return this.onTooLarge();
    }
    stats[slot.tls_not_found]++;
    this.callbacks.setDynamicMetadata(namespace, { failure_reason: 'ClientHelloNotDetected' });
    this.callbacks.info.transportFailureReason = `TLS_error|error:${errors[this.reader.problem]}:TLS_error_end`;
    return ListenerFilterStatus.Continue;
  }
}

const library = 'SSL routines:OPENSSL_internal';

/** As BoringSSL prints them. */
const errors: Readonly<Record<ClientHelloReader['problem'], string>> = {
  WRONG_VERSION_NUMBER: `100000f7:${library}:WRONG_VERSION_NUMBER`,
  HTTP_REQUEST: `1000009c:${library}:HTTP_REQUEST`,
  HTTPS_PROXY_REQUEST: `1000009b:${library}:HTTPS_PROXY_REQUEST`,
  UNEXPECTED_RECORD: `100000e1:${library}:UNEXPECTED_RECORD`,
  ENCRYPTED_LENGTH_TOO_LONG: `10000094:${library}:ENCRYPTED_LENGTH_TOO_LONG`,
  TOO_MANY_EMPTY_FRAGMENTS: `100000d6:${library}:TOO_MANY_EMPTY_FRAGMENTS`,
  UNEXPECTED_MESSAGE: `100000df:${library}:UNEXPECTED_MESSAGE`,
  EXCESSIVE_MESSAGE_SIZE: `10000096:${library}:EXCESSIVE_MESSAGE_SIZE`,
  DECODE_ERROR: `10000089:${library}:DECODE_ERROR`,
};

function ja4Hash(hello: ClientHello): string {
  const { prefix, ciphers, extensions } = ja4Parts(hello);
  return `${prefix}_${hash12(ciphers)}_${hash12(extensions)}`;
}

function hash12(text: string): string {
  return text === '' ? '0'.repeat(12) : createHash('sha256').update(text).digest('hex').slice(0, 12);
}

export default function create(message: Message, { stats }: WorkerContext): ListenerFilterMaker {
  const settings: Settings = {
    stats: stats.block(TLS_INSPECTOR, 'tls_inspector.'),
    bytesProcessed: stats.histogram('tls_inspector.bytes_processed'),
    ja3: message.enableJa3Fingerprinting ?? false,
    ja4: message.enableJa4Fingerprinting ?? false,
    closes: message.closeConnectionOnClientHelloParsingErrors,
    most: message.maxClientHelloSize ?? mostHelloBytes,
  };
  return (callbacks) => new TlsInspectorFilter(settings, callbacks);
}

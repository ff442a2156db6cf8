/** envoy.filters.listener.http_inspector: tells HTTP and its version by a connection's first bytes, for choosing the filter chain. */
import { HttpPreamble, HttpPreambleReader } from '../../../../../native-free/preamble/http_preamble.ts';
import { logger } from '../../../../common/log.ts';
import { HTTP_INSPECTOR } from '../../../../common/stats/layouts.ts';
import {
  type ListenerFilter,
  type ListenerFilterCallbacks,
  type ListenerFilterMaker,
  ListenerFilterStatus,
} from '../../../../spi/listener_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';

const log = logger('filter');
const { slot } = HTTP_INSPECTOR;
const mostBytes = 64 * 1024;

const found = {
  [HttpPreamble.Http10]: { protocol: 'http/1.0', counter: slot.http10_found },
  [HttpPreamble.Http11]: { protocol: 'http/1.1', counter: slot.http11_found },
  [HttpPreamble.Http2]: { protocol: 'h2c', counter: slot.http2_found },
} as const;

class HttpInspectorFilter implements ListenerFilter {
  readonly maxReadBytes: number = mostBytes;
  private readonly stats: Float64Array;
  private readonly callbacks: ListenerFilterCallbacks;
  private readonly reader = new HttpPreambleReader();

  constructor(stats: Float64Array, callbacks: ListenerFilterCallbacks) {
    this.stats = stats;
    this.callbacks = callbacks;
  }

  onAccept(): ListenerFilterStatus {
    const { detectedTransportProtocol: transport = '' } = this.callbacks.info;
    // Behind TLS there is nothing to see.
    return transport === '' || transport === 'raw_buffer'
      ? ListenerFilterStatus.StopIteration
      : ListenerFilterStatus.Continue;
  }

  onData(bytes: Buffer, length: number): ListenerFilterStatus {
    const { stats } = this;
    const preamble = this.reader.read(bytes, Math.min(length, mostBytes));
    if (preamble === HttpPreamble.More) {
      if (length < mostBytes) return ListenerFilterStatus.StopIteration;
      log.warn('http inspector: reached max buffer without determining HTTP version, dropping connection');
      stats[slot.read_error]++;
      return ListenerFilterStatus.Close;
    }
    if (preamble === HttpPreamble.None) stats[slot.http_not_found]++;
    else {
      const { protocol, counter } = found[preamble];
      stats[counter]++;
      this.callbacks.info.requestedApplicationProtocols = [protocol];
    }
    return ListenerFilterStatus.Continue;
  }
}

export default function create(_message: unknown, context: WorkerContext): ListenerFilterMaker {
  const stats = context.stats.block(HTTP_INSPECTOR, 'http_inspector.');
  return (callbacks) => new HttpInspectorFilter(stats, callbacks);
}

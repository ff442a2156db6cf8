/** envoy.filters.network.direct_response: says its piece to whoever connects, and closes. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { now } from '../../../../common/clock.ts';
import { SimpleTaker } from '../../../../common/connection_taker.ts';
import { readDataSource } from '../../../../common/formatter/data_source.ts';
import type { ConnectionInfo } from '../../../../common/stream_info.ts';
import type { ConnectionCallbacks } from '../../../../net/connection.ts';
import type { ConnectionTaker } from '../../../../spi/worker_context.ts';

/** Milliseconds. */
const lingering = 1000;

class DirectResponse implements ConnectionCallbacks {
  private readonly info: ConnectionInfo;
  private readonly onGone: () => void;

  constructor(info: ConnectionInfo, onGone: () => void) {
    this.info = info;
    this.onGone = onGone;
  }

  onClosed(): void {
    // Nothing of the client's counts as received.
    if (this.info.stream !== undefined) this.info.stream.endMonotonic = now;
    this.onGone();
  }

  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onWritable(): void {}
}

export default function create({
  response,
}: envoy.extensions.filters.network.direct_response.v3.Config): ConnectionTaker {
  const source = response === undefined ? { text: '' } : readDataSource(response);
  if ('error' in source) throw new Error(source.error);
  const bytes = Buffer.from(source.text);
  return new SimpleTaker((connection, info, onGone) => {
    connection.callbacks = new DirectResponse(info, onGone);
    if (info.stream !== undefined) {
      info.stream.responseCodeDetails = 'direct_response';
      info.stream.bytesSent = bytes.length;
    }
    connection.writeBytes(bytes, 0, bytes.length);
    // What the client still sends is thrown away for a while: closing before it is read would reset the answer.
    connection.closeAfterFlush(lingering);
  });
}

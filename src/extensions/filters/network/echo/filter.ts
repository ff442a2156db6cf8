/** envoy.filters.network.echo: gives back what it gets, as fast as it is taken. */
import { SimpleTaker } from '../../../../common/connection_taker.ts';
import type { Connection, ConnectionCallbacks } from '../../../../net/connection.ts';
import type { ConnectionTaker } from '../../../../spi/worker_context.ts';

class Echo implements ConnectionCallbacks {
  private readonly connection: Connection;
  private readonly onGone: () => void;

  constructor(connection: Connection, onGone: () => void) {
    this.connection = connection;
    this.onGone = onGone;
    connection.callbacks = this;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.connection.writeBytes(bytes, start, end);
  }

  onEnd(): void {
    this.connection.closeAfterFlush(0);
  }

  onBlocked(): void {
    this.connection.pauseReading();
  }

  onWritable(): void {
    this.connection.resumeReading();
  }

  onClosed(): void {
    this.onGone();
  }
}

export default function create(): ConnectionTaker {
  return new SimpleTaker((connection, _info, onGone) => new Echo(connection, onGone));
}

/** The book-keeping of a last network filter: one object a connection, and all of them ended together. */
import type { ConnectionTaker } from '../spi/worker_context.ts';

type Accept = Parameters<ConnectionTaker['accept']>;

/** Makes what owns a connection from now on; it calls `onGone` once, when the connection has closed. */
export type MakeOwner = (connection: Accept[0], info: Accept[1], onGone: () => void) => void;

export class SimpleTaker implements ConnectionTaker {
  private readonly make: MakeOwner;
  private readonly connections = new Set<Accept[0]>();

  constructor(make: MakeOwner) {
    this.make = make;
  }

  accept(connection: Accept[0], info: Accept[1], onGone: () => void): void {
    this.connections.add(connection);
    this.make(connection, info, () => {
      this.connections.delete(connection);
      onGone();
    });
  }

  /** Connections end when their peers want. */
  drain(): void {}

  close(): void {
    for (const connection of this.connections) connection.closeNow();
  }
}

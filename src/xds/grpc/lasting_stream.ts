/** Control path, step 3: a stream to a service of the control plane that is opened again, after a back-off, whenever it ends. */
import { GrpcStatus } from '../../../native-free/grpc/status.ts';
import type { BackOff } from '../back_off.ts';
import type { GrpcChannel, GrpcStream } from './channel.ts';

/** What a service does with its stream. */
export interface StreamOwner {
  /** A new stream: nothing of the former one is known to the other side. */
  onStreamOpen(): void;
  onMessage(bytes: Uint8Array): void;
  /** It ended with this gRPC status, or could not be opened; the next one comes in `wait` milliseconds. */
  onStreamClosed(status: number, message: string, wait: number): void;
}

export interface StreamParts {
  readonly channel: GrpcChannel;
  /** Its path: `/package.Service/Method`. */
  readonly method: string;
  readonly backOff: BackOff;
}

export class LastingStream {
  private readonly parts: StreamParts;
  private readonly owner: StreamOwner;
  private stream: GrpcStream | undefined;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(parts: StreamParts, owner: StreamOwner) {
    this.parts = parts;
    this.owner = owner;
  }

  get isOpen(): boolean {
    return this.stream !== undefined;
  }

  start(): void {
    if (this.stopped) return;
    const { channel, method, backOff } = this.parts;
    this.stream = channel.open(method, {
      onMessage: (bytes) => {
        this.owner.onMessage(bytes);
        backOff.reset();
      },
      onClosed: (status, message) => this.onClosed(status, message),
    });
    if (this.stream === undefined) this.onClosed(GrpcStatus.Unavailable, 'no healthy upstream');
    else this.owner.onStreamOpen();
  }

  /** Nothing is sent while there is no stream. */
  send(bytes: Uint8Array): void {
    this.stream?.send(bytes);
  }

  /** For good: its owner is told nothing more. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    this.stream?.close();
    this.stream = undefined;
  }

  private onClosed(status: number, message: string): void {
    if (this.stopped) return;
    this.stream = undefined;
    const wait = this.parts.backOff.next();
    this.retry = setTimeout(() => this.start(), wait);
    this.retry.unref();
    this.owner.onStreamClosed(status, message, wait);
  }
}

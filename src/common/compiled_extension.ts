/** The data side of a filter whose configuration is discovered: made again when another configuration has come. */
import type { ExtensionHolder, LoadedExtension } from '../spi/worker_context.ts';
import { logger } from './log.ts';

const log = logger('config');

export class CompiledExtension<T> {
  private readonly holder: ExtensionHolder;
  private readonly compile: (loaded: LoadedExtension) => T;
  private from: LoadedExtension | undefined;
  private made: T | undefined;

  constructor(holder: ExtensionHolder, compile: (loaded: LoadedExtension) => T) {
    this.holder = holder;
    this.compile = compile;
  }

  /** What new streams and connections get; undefined: there is no configuration. */
  get current(): T | undefined {
    const { loaded } = this.holder;
    if (loaded !== this.from) this.renew(loaded);
    return this.made;
  }

  private renew(loaded: LoadedExtension | undefined): void {
    this.from = loaded;
    try {
      this.made = loaded && this.compile(loaded);
    } catch (error) {
      // Validation has let it through: a fault of ours, so what was there goes on.
      log.error(`discovered configuration of ${loaded?.factory.name}: ${(error as Error).message}`);
    }
  }
}

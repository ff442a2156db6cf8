/** Control path, step 3: a subscription to a file: read at the start and whenever it, or its folder's link, is moved into place. */
import { type FSWatcher, statSync, watch as watchPath } from 'node:fs';
import path from 'node:path';
import { logger } from '../common/log.ts';
import { readResponseFile } from '../config/read_response.ts';
import { renderDiagnostics } from '../config/render.ts';
import { decodeAll, rejectionText } from './decode.ts';
import type { Watch, WatchOwner } from './watch.ts';

const log = logger('config');

/** Milliseconds that the moves of one swap (a link, its target, the file) are gathered for. */
const settleTime = 10;

export class FileSubscription implements WatchOwner {
  readonly countsReads = true;
  private readonly file: string;
  private readonly folder: string;
  private readonly anyMove: boolean;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private identity = '';
  private queue: Promise<void> = Promise.resolve();

  /** With `watchedDirectory` any move in that folder counts, as for a folder of links that is swapped as a whole. */
  constructor(file: string, watchedDirectory: string | undefined) {
    this.file = file;
    this.folder = watchedDirectory ?? path.dirname(file);
    this.anyMove = watchedDirectory !== undefined;
  }

  onWatchStarted(watch: Watch): void {
    this.startWatching(watch);
    this.read(watch);
  }

  onNamesChanged(watch: Watch): void {
    this.read(watch);
  }

  onWatchStopped(): void {
    clearTimeout(this.timer);
    this.watcher?.close();
  }

  /** Writing into the file is not seen, as in Envoy: it may be half written. Another file in its place is. */
  private startWatching(watch: Watch): void {
    const onEvent = (event: string, name: string | null) => {
      if (event !== 'rename') return;
      if (!this.anyMove && name !== null && name !== path.basename(this.file)) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        if (this.anyMove || identityOf(this.file) !== this.identity) this.read(watch);
      }, settleTime);
    };
    try {
      this.watcher = watchPath(this.folder, { persistent: false }, onEvent);
      this.watcher.on('error', (error) => log.warn(`watching ${this.folder}: ${error.message}`));
    } catch (error) {
      log.warn(`${this.folder} cannot be watched: ${(error as Error).message}`);
    }
  }

  private read(watch: Watch): void {
    this.queue = this.queue.then(() => this.readNow(watch));
  }

  private async readNow(watch: Watch): Promise<void> {
    this.identity = identityOf(this.file);
    const { response, errors } = readResponseFile(this.file);
    if (response === undefined) {
      const reason = renderDiagnostics(errors);
      log.warn(`filesystem config update failure: ${reason}`);
      watch.fail(reason);
      return;
    }
    const { resources, rejections } = decodeAll(response.resources, watch.typeName, response.versionInfo);
    const wanted = resources.filter(({ name }) => watch.wants(name));
    let refused = rejections;
    if (rejections.length > 0) watch.refuse(rejectionText(rejections));
    else refused = await watch.deliver(wanted, response.versionInfo);
    if (refused.length > 0) log.warn(`filesystem config update rejected: ${this.file}: ${rejectionText(refused)}`);
  }
}

/** Which file stands under a name, links followed; empty when there is none. */
function identityOf(file: string): string {
  try {
    const { dev, ino, mtimeMs } = statSync(file);
    return `${dev}:${ino}:${mtimeMs}`;
  } catch {
    return '';
  }
}

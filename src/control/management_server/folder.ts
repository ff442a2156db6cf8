/** A folder of resource files as what a management server serves: read at the start and after every change in it. */
import { type FSWatcher, readdirSync, watch } from 'node:fs';
import path from 'node:path';
import type { AnyMessage } from '../../api/registry.ts';
import { logger } from '../../common/log.ts';
import { readResponseFile } from '../../config/read_response.ts';
import { renderDiagnostics } from '../../config/render.ts';
import { decodeAll } from '../../xds/decode.ts';
import { typeNameFor } from '../../xds/type_urls.ts';
import type { ResourceStore } from './resource_store.ts';

const log = logger('config');

const suffixes = ['.yaml', '.yml', '.json', '.pb'];
/** Milliseconds that the writes of one change are gathered for. */
const settleTime = 50;

export class ResourceFolder {
  private readonly folder: string;
  private readonly store: ResourceStore;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(folder: string, store: ResourceStore) {
    this.folder = folder;
    this.store = store;
  }

  /** Reads all files; false (and everything that is wrong logged) when one cannot be used: then nothing changes. */
  read(): boolean {
    const byType = new Map<string, Map<string, AnyMessage>>();
    for (const typeName of this.store.typeNames()) byType.set(typeName, new Map());
    let good = true;
    for (const name of readdirSync(this.folder).sort()) {
      if (suffixes.includes(path.extname(name))) good = this.readFile(path.join(this.folder, name), byType) && good;
    }
    if (!good) return false;
    for (const [typeName, resources] of byType) this.store.set(typeName, resources);
    const counts = [...byType].map(([typeName, resources]) => `${resources.size} ${typeName.split('.').pop()}`);
    log.info(`serving ${counts.join(', ') || 'nothing'} from ${this.folder}`);
    return true;
  }

  watch(): void {
    this.watcher = watch(this.folder, () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.read(), settleTime);
    });
    this.watcher.on('error', (error) => log.warn(`watching ${this.folder}: ${error.message}`));
  }

  close(): void {
    clearTimeout(this.timer);
    this.watcher?.close();
  }

  private readFile(file: string, byType: Map<string, Map<string, AnyMessage>>): boolean {
    const { response, errors } = readResponseFile(file);
    if (response === undefined) {
      log.error(renderDiagnostics(errors));
      return false;
    }
    let good = true;
    for (const any of response.resources) {
      const typeName = typeNameFor(any.typeUrl);
      const { resources, rejections } = decodeAll([any], typeName, '');
      for (const { reason } of rejections) log.error(`${file}: ${reason}`);
      good &&= rejections.length === 0;
      const named = byType.get(typeName) ?? new Map<string, AnyMessage>();
      byType.set(typeName, named);
      for (const { name, message } of resources) named.set(name, message);
    }
    return good;
  }
}

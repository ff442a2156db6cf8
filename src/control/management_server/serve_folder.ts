/** `nuncio xds DIR`: a management server for development over a folder of resource files, until SIGINT or SIGTERM. */
import { once } from 'node:events';
import { ResourceFolder } from './folder.ts';
import { ManagementServer } from './management_server.ts';
import { ResourceStore } from './resource_store.ts';

/** Rejects when it cannot listen. Files that cannot be used are named, and served when they are mended. */
export async function serveResourceFolder(folder: string, host: string, port: number): Promise<number> {
  const store = new ResourceStore();
  const resources = new ResourceFolder(folder, store);
  resources.read();
  resources.watch();
  const server = new ManagementServer(store);
  await server.listen(host, port);
  process.stdout.write(`management server on ${host}:${server.port}, resources from ${folder}\n`);
  const stop = new AbortController();
  const { signal } = stop;
  await Promise.race([once(process, 'SIGINT', { signal }), once(process, 'SIGTERM', { signal })]);
  stop.abort();
  resources.close();
  await server.close();
  return 0;
}

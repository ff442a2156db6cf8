/** The service of config/grpc/bookstore.proto as a real gRPC server, its messages as objects. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { listen } from './grpc.ts';
import { root } from './proxy.ts';

type Shelf = Record<string, unknown>;
type Done = (error: Partial<grpc.ServiceError> | null, shelf?: Shelf) => void;

export interface Bookstore {
  readonly port: number;
  close(): void;
}

/** Shelf 404 is not there; other shelves are called after their number. */
export async function startBookstore(): Promise<Bookstore> {
  const descriptors = readFileSync(path.join(root, 'config/grpc/bookstore.pb'));
  const definition = loadFileDescriptorSetFromBuffer(descriptors, { longs: String, enums: String, defaults: true });
  const server = new grpc.Server();
  server.addService(
    definition['bookstore.v1.Bookstore'] as grpc.ServiceDefinition,
    {
      GetShelf: ({ request }: { request: Shelf }, done: Done) => {
        if (request['shelf'] === '404') done({ code: grpc.status.NOT_FOUND, details: 'no such shelf: é' });
        else done(null, { id: request['shelf'], theme: `shelf ${request['shelf']} ${request['name']}`.trim() });
      },
      CreateShelf: ({ request }: { request: Shelf }, done: Done) => done(null, request['shelf'] as Shelf),
      CreateShelves: (call: grpc.ServerReadableStream<Shelf, Shelf>, done: Done) => {
        const themes: unknown[] = [];
        call.on('data', ({ shelf }: { shelf: Shelf }) => themes.push(shelf['theme']));
        call.on('end', () => done(null, { theme: themes.join() }));
      },
      ListShelves: (call: grpc.ServerWritableStream<{ limit: number }, Shelf>) => {
        for (let i = 1; i <= call.request.limit; i++) call.write({ id: i });
        call.end();
      },
      Echo: ({ request }: { request: Shelf }, done: Done) => done(null, request),
    } as unknown as grpc.UntypedServiceImplementation,
  );
  return { port: await listen(server), close: () => server.forceShutdown() };
}

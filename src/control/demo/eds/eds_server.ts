/** The EDS server of the lab: gRPC for the proxy, HTTP for the services that register themselves. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType } from '../../../api/registry.ts';
import { ManagementServer } from '../../management_server/management_server.ts';
import { ResourceStore } from '../../management_server/resource_store.ts';
import { close, listen } from '../demo_service.ts';

const assignmentType = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

export interface EdsServerOptions {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** The name the proxy asks for. */
  readonly service: string;
  /** What `/` shows. */
  readonly page: () => string;
}

/** Knows endpoints only while it runs, as the lab's does; its HTTP side answers `<endpoint> ok`. */
export class EdsServer {
  private readonly options: EdsServerOptions;
  private readonly endpoints = new Set<string>();
  private readonly store = new ResourceStore();
  private readonly http: Server;
  private grpc: ManagementServer | undefined;

  constructor(options: EdsServerOptions) {
    this.options = options;
    this.http = createServer((request, response) => this.onRequest(request, response));
  }

  /** The HTTP side; services may register before the proxy can ask. */
  async start(): Promise<void> {
    await listen(this.http, this.options.httpPort, '127.0.0.1');
  }

  /** The gRPC side. */
  async startGrpc(): Promise<void> {
    this.grpc = new ManagementServer(this.store);
    this.publish();
    await this.grpc.listen('127.0.0.1', this.options.grpcPort);
  }

  /** As if it were killed: what was served holds at the proxy. */
  async stopGrpc(): Promise<void> {
    await this.grpc?.close();
    this.grpc = undefined;
  }

  async stop(): Promise<void> {
    await this.stopGrpc();
    await close(this.http);
  }

  private onRequest(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://eds');
    const endpoint = url.searchParams.get('endpoint') ?? '';
    const action = /^\/edsservice\/(register|deregister)$/.exec(url.pathname)?.[1];
    request.resume();
    if (url.pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(this.options.page());
    } else if (action === undefined)
      response.writeHead(404).end('only /edsservice/register and /edsservice/deregister\n');
    else if (!/^\d+\.\d+\.\d+\.\d+:\d{1,5}$/.test(endpoint)) {
      response.writeHead(400).end('endpoint must be IP:PORT\n');
    } else {
      if (action === 'register') this.endpoints.add(endpoint);
      else this.endpoints.delete(endpoint);
      this.publish();
      response.end(`${endpoint} ok`);
    }
  }

  private publish(): void {
    const lb_endpoints = [...this.endpoints].map((endpoint) => {
      const [address, port] = endpoint.split(':');
      return { endpoint: { address: { socket_address: { address, port_value: Number(port) } } } };
    });
    const json = { cluster_name: this.options.service, endpoints: [{ lb_endpoints }] };
    const message = fromJson(messageType(assignmentType), json) as unknown as AnyMessage;
    this.store.set(assignmentType, new Map([[this.options.service, message]]));
  }
}

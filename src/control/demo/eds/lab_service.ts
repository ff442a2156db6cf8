/** An application of the lab: answers with its own id, is healthy until told otherwise, registers itself. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { close, listen } from '../demo_service.ts';

export class LabService {
  readonly id: string = randomUUID();
  healthy = true;
  private readonly server: Server;
  private readonly registry: string;
  private endpoint = '';

  /** `registry`: the HTTP side of the EDS server. */
  constructor(registry: string) {
    this.registry = registry;
    this.server = createServer((request, response) => {
      const check = request.url === '/healthz';
      response.writeHead(check && !this.healthy ? 503 : 200, { 'content-type': 'text/html; charset=utf-8' });
      response.end(check ? 'ok' : this.id);
    });
  }

  /** Where it listens. */
  get address(): string {
    return this.endpoint;
  }

  async start(port: number): Promise<void> {
    this.endpoint = `127.0.0.1:${await listen(this.server, port, '127.0.0.1')}`;
    await this.tell('register');
  }

  deregister(): Promise<void> {
    return this.tell('deregister');
  }

  stop(): Promise<void> {
    return close(this.server);
  }

  private async tell(what: 'register' | 'deregister'): Promise<void> {
    const response = await fetch(`${this.registry}/edsservice/${what}?endpoint=${this.endpoint}`);
    if (!response.ok) throw new Error(`${what} ${this.endpoint}: HTTP status ${response.status}`);
  }
}

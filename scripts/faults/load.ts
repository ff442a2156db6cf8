/** Steady load whose every answer is checked: GET and POST by turns, one at a time on each connection. */
import { RawClient, requestBytes } from '../../test/support/raw_client.ts';
import { delay } from '../../test/support/wait_for.ts';

export class Load {
  answered = 0;
  /** By what went wrong: a status, `closed`, `late`, `wrong body`, `refused`. */
  readonly failures = new Map<string, number>();
  private readonly port: number;
  private readonly pause: number;
  private running = true;
  private readonly lanes: Promise<void>[];
  private number = 0;

  /** `pause`: milliseconds between the requests of a connection. */
  constructor(port: number, connections: number, pause: number) {
    this.port = port;
    this.pause = pause;
    this.lanes = Array.from({ length: connections }, () => this.lane());
  }

  get failed(): number {
    let sum = 0;
    for (const count of this.failures.values()) sum += count;
    return sum;
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.lanes);
  }

  private async lane(): Promise<void> {
    while (this.running) {
      const client = await RawClient.connect(this.port).catch(() => undefined);
      if (client === undefined) {
        this.fail('refused');
        await delay(5);
        continue;
      }
      await this.useUp(client);
      client.destroy();
    }
  }

  /** Sends until the connection ends. */
  private async useUp(client: RawClient): Promise<void> {
    while (this.running) {
      const number = this.number++;
      const post = number % 2 === 1;
      const body = post ? `body ${number}` : undefined;
      client.send(requestBytes(`/load/${number}`, { method: post ? 'POST' : 'GET', body }));
      const response = await client.response(post ? 'POST' : 'GET', 10_000).catch((error: Error) => {
        this.fail(error.message.startsWith('closed') ? 'closed' : 'late');
      });
      if (response === undefined) return;
      if (response.status !== 200) this.fail(String(response.status));
      else if (response.text !== `/load/${number} ${body ?? ''}`) this.fail('wrong body');
      else this.answered++;
      if (response.get('connection') !== undefined) return;
      if (this.pause > 0) await delay(this.pause);
    }
  }

  private fail(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
  }
}

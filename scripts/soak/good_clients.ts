/** Clients that behave: every answer they get must be exactly the one they asked for. */
import http2 from 'node:http2';
import type { Random } from '../../test/support/random.ts';
import { Http1Sender, Http2Sender, type Sender, settled } from './http_exchange.ts';
import { anyPayload, bytesOf, pathOf } from './payload.ts';
import { inTime, type Tally } from './tally.ts';
import type { UpstreamName } from './upstreams.ts';

/** A client does one piece of work at a time, again and again. */
export interface Client {
  work(): Promise<void>;
  /** Ends what it keeps open. */
  close(): void;
}

export interface Surroundings {
  readonly port: (listener: 'plain' | 'tls' | 'tcp') => number;
  readonly tally: Tally;
  readonly random: Random;
}

/** Which hosts a client asks; the rude ones may spoil an exchange, but never make a wrong answer look right. */
const good: readonly UpstreamName[] = ['h1', 'h2', 'h1s', 'h2s', 'restless1', 'restless2'];
export const rude: readonly UpstreamName[] = ['rude1', 'rude2'];

/** Makes and checks exchanges; the same for all ways to send them. */
async function exchange(
  kind: string,
  sender: Sender,
  { random, tally }: Surroundings,
  upstreams: readonly UpstreamName[],
): Promise<void> {
  const upstream = random.pick(upstreams);
  const restless = upstream.startsWith('restless');
  // What is sent again must fit the buffer that it is kept in.
  const payload = restless ? { start: random.int(1000), size: random.int(4000) } : anyPayload(random);
  const bytes = bytesOf(payload);
  const post = random.chance(0.4);
  const slow = random.chance(0.05);
  const path = `${slow && !post ? '/slow' : ''}/${upstream}/${post ? 'echo' : 'give'}/${pathOf(payload)}`;
  const work = sender.send({
    path,
    body: post ? bytes : undefined,
    slowWriter: post && slow && !restless ? random : undefined,
    slowReader: random.chance(0.05) ? random : undefined,
  });
  const spoils = upstream.startsWith('rude');
  try {
    const { status, body } = await inTime(work);
    if (status === 200 && body.equals(bytes)) tally.answered(`${kind} ${upstream}`);
    else if (spoils && (status !== 200 || body.toString() === 'ok')) tally.spoil(`${kind} ${upstream}`);
    else
      tally.fail(
        `${kind} ${upstream}`,
        `${post ? 'POST' : 'GET'}${slow ? ' slow' : ''} ${status} ${status === 200 ? `and ${body.length} of ${bytes.length} bytes` : body}`,
      );
  } catch (error) {
    const { message } = error as Error;
    if (spoils && message !== 'late') tally.spoil(`${kind} ${upstream}`);
    else tally.fail(`${kind} ${upstream}`, `${message}: ${post ? 'POST' : 'GET'}${slow ? ' slow' : ''}`);
  }
}

export function http1Client(
  surroundings: Surroundings,
  kind: 'kept' | 'new' | 'tls kept' | 'tls resumed' | 'tls full',
  upstreams = good,
): Client {
  const secure = kind.startsWith('tls');
  const sender = new Http1Sender(surroundings.port(secure ? 'tls' : 'plain'), {
    secure,
    keepAlive: kind.endsWith('kept'),
    resume: kind !== 'tls full',
  });
  return {
    work: () => exchange(`HTTP/1 ${kind}`, sender, surroundings, upstreams),
    close: () => sender.close(),
  };
}

/** Some streams at a time on a session, which is replaced now and then. */
export function http2Client(surroundings: Surroundings, secure: boolean, upstreams = good): Client {
  const { port, random, tally } = surroundings;
  const kind = secure ? 'HTTP/2 tls' : 'HTTP/2';
  let sender: Http2Sender | undefined;
  let session: Buffer | undefined;
  /** One that was replaced stays as long as a stream of it holds bytes that nobody reads any more. */
  const open = new Set<http2.ClientHttp2Session>();
  const connect = async (): Promise<Http2Sender> => {
    const authority = secure ? `https://127.0.0.1:${port('tls')}` : `http://127.0.0.1:${port('plain')}`;
    const offered = random.chance(0.7) ? session : undefined;
    const made = http2.connect(authority, {
      rejectUnauthorized: false,
      servername: 'a.test',
      ...(offered === undefined ? {} : { session: offered }),
    } as http2.SecureClientSessionOptions);
    open.add(made);
    made.once('close', () => open.delete(made));
    made.once('connect', (_session, socket) => {
      socket.on('session', (ticket: Buffer) => {
        session = ticket;
      });
    });
    return new Http2Sender(await settled(made));
  };
  return {
    async work() {
      if (sender === undefined || sender.session.closed || sender.session.destroyed || random.chance(0.02)) {
        sender?.close();
        sender = await inTime(connect()).catch((error: Error) => void tally.fail(`${kind} connect`, error.message));
        if (sender === undefined) return;
      }
      const now = sender;
      const streams = 1 + random.int(random.chance(0.1) ? 20 : 3);
      await Promise.all(Array.from({ length: streams }, () => exchange(kind, now, surroundings, upstreams)));
    },
    close() {
      for (const each of open) each.destroy();
    },
  };
}

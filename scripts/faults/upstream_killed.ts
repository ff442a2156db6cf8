/** Fault 2: an upstream dies before, inside or after its answer; fault 3: it closes while the next request is on its way. */
import type net from 'node:net';
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { type ClientResponse, RawClient, request, requestBytes } from '../../test/support/raw_client.ts';
import { respond, startUpstream } from '../../test/support/upstream.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { expect, type Fault } from './context.ts';

interface Death {
  readonly name: string;
  readonly bytes: string;
  readonly ok: (response: ClientResponse) => boolean;
}

const isError = ({ status }: ClientResponse): boolean => status === 503 || status === 502;
const deaths: readonly Death[] = [
  { name: 'before the answer', bytes: '', ok: ({ status }) => status === 503 },
  { name: 'inside the head', bytes: 'HTTP/1.1 200 OK\r\nContent-Le', ok: isError },
  {
    name: 'inside the body',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
    ok: (response) => !response.complete || isError(response),
  },
  {
    name: 'inside a chunk',
    bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n50\r\nhalf',
    ok: (response) => !response.complete || isError(response),
  },
  {
    name: 'after the answer',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ok: ({ text }) => text === 'ok',
  },
];

export const upstreamKilled: Fault = {
  name: '2 upstream killed before, inside, after its answer, by FIN and RST, GET and POST',
  async start({ random, figures }) {
    const upstream = await startUpstream();
    const proxy = await startProxy(
      bootstrap([httpListener('main', [route('/', 'a', { timeout: '5s' })])], [cluster('a', [upstream.port])]),
    );
    const port = proxy.port('main');
    let number = 0;
    // The proxy must have heard of the last death: a request that crosses it is fault 3.
    const allDead = () =>
      waitFor('no connection', async () => (await proxy.stat('cluster.a.upstream_cx_active')) === 0);
    return {
      async repeat() {
        let exchanges = 0;
        for (const death of deaths) {
          for (const end of ['end', 'resetAndDestroy'] as const) {
            for (const method of ['GET', 'POST']) {
              const target = `/kill/${number++}`;
              const pause = random.int(5);
              await allDead();
              upstream.script = { respond: (_request, socket) => void dieAfter(socket, death.bytes, end, pause) };
              const response = await request(port, target, { method, body: method === 'POST' ? 'once' : undefined });
              // A reset may overtake the answer it follows.
              const overtaken = end === 'resetAndDestroy' && isError(response);
              expect(death.ok(response) || overtaken, `${death.name} by ${end}: ${response.status} ${response.text}`);
              const sent = upstream.requests.filter(({ path }) => path === target).length;
              expect(sent === 1, `${method} ${death.name} was sent ${sent} times`);
              exchanges++;
            }
          }
        }
        upstream.script = {};
        await allDead();
        expect((await request(port, '/after')).status === 200, 'no plain exchange afterwards');
        for (const socket of upstream.connections) socket.destroy();
        figures.add('exchanges', exchanges);
      },
      async stop() {
        await proxy.stop();
        await upstream.close();
      },
    };
  },
};

async function dieAfter(
  socket: net.Socket,
  bytes: string,
  end: 'end' | 'resetAndDestroy',
  pause: number,
): Promise<void> {
  if (bytes !== '') socket.write(bytes);
  await delay(pause);
  socket[end]();
}

const tries = 500;

export const keepAliveRace: Fault = {
  name: `3 keep-alive race, ${tries} tries a repetition on each of three routes`,
  async start({ random, figures }) {
    const upstream = await startUpstream({
      respond: (seen, socket) => {
        respond(socket, { body: seen.path });
        setTimeout(() => socket.end(), random.next() * 3);
      },
    });
    const policy = (retryOn: string) => ({ retry_policy: { retry_on: retryOn, num_retries: 5 } });
    const proxy = await startProxy(
      bootstrap(
        [
          httpListener('main', [
            route('/none', 'a'),
            route('/before', 'a', policy('reset-before-request')),
            route('/reset', 'a', policy('reset')),
          ]),
        ],
        [cluster('a', [upstream.port], { circuit_breakers: { thresholds: [{ max_retries: 1000 }] } })],
      ),
    );
    const port = proxy.port('main');
    return {
      async repeat() {
        for (const name of ['none', 'before', 'reset']) {
          let errors = 0;
          await Promise.all(
            Array.from({ length: 10 }, async (_, lane) => {
              let client = await RawClient.connect(port);
              for (let i = 0; i < tries / 10; i++) {
                const target = `/${name}/${lane}/${i}`;
                client.send(requestBytes(target));
                const response = await client.response();
                if (response.status !== 200) {
                  expect(response.status === 503, `status ${response.status}`);
                  errors++;
                } else expect(response.text === target, 'a wrong answer');
                if (response.get('connection') !== undefined) {
                  client.destroy();
                  client = await RawClient.connect(port);
                }
                await delay(random.int(4));
              }
              client.destroy();
            }),
          );
          figures.add(`503 with retry_on ${name}`, errors);
          expect(name !== 'reset' || errors === 0, `${errors} errors with retry_on reset`);
        }
      },
      async stop() {
        await proxy.stop();
        await upstream.close();
      },
    };
  },
};

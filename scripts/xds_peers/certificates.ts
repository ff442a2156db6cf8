/** A certificate that changes again and again under connections that use it: secrets by the control plane. */
import type { Json } from '../../test/support/bootstrap.ts';
import { TestAuthority } from '../../test/support/certificates.ts';
import { downstreamTls, tlsGet } from '../../test/support/tls.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { expect, freePort, type Setting } from './context.ts';
import { listener, source, type Transport } from './resources.ts';
import { ms, type Scenario, scenario } from './scenario.ts';

const rotations = 10;

export const certificateRotation: Scenario = scenario('10 certificate rotations', async (setting) => {
  const authority = new TestAuthority();
  try {
    return await rotate(setting, authority);
  } finally {
    authority.remove();
  }
});

async function rotate(setting: Setting, authority: TestAuthority): Promise<string> {
  const { transport, traffic } = setting;
  const port = await freePort();
  const secrets: Json[] = [];
  for (let i = 0; i <= rotations; i++) secrets.push(secret(authority, `server${i}`, i % 2 === 0 ? 'ec' : 'rsa'));
  await setting.serve();
  await setting.set({
    secrets: [secrets[0]],
    listeners: [listener(transport, 'main', setting.port), tlsListener(transport, port)],
  });
  await shows(port, 'server0');
  traffic.load(port, { lanes: 6, pause: 40, secure: true });
  const took: number[] = [];
  for (let i = 1; i <= rotations; i++) {
    await delay(200);
    const begin = performance.now();
    await setting.set({ secrets: [secrets[i]] });
    await shows(port, `server${i}`);
    took.push(performance.now() - begin);
  }
  await delay(200);
  const seen = await setting.nothingLost();
  expect(setting.plane.refused().length === 0, `refused: ${setting.plane.refused()[0]}`);
  took.sort((a, b) => a - b);
  const median = took[took.length >> 1];
  return `on every worker after ${ms(median)}, at most ${ms(took.at(-1)!)}; ${seen.answered} requests, worst ${ms(seen.worst)}`;
}

function secret(authority: TestAuthority, name: string, key: 'ec' | 'rsa'): Json {
  const { cert, key: privateKey } = authority.make(name, { names: [`DNS:${name}`], key });
  return {
    name: 'server',
    tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: privateKey } },
  };
}

function tlsListener(transport: Transport, port: number): Json {
  const made = listener(transport, 'secure', port, 'a');
  const [chain] = made['filter_chains'] as Json[];
  const certificates = [{ name: 'server', sds_config: source(transport) }];
  const socket = downstreamTls({ tls_certificate_sds_secret_configs: certificates });
  return { ...made, filter_chains: [{ ...chain, transport_socket: socket }] };
}

/** Waits until eight new connections in a row are shown this certificate: every worker has it then. */
async function shows(port: number, name: string): Promise<void> {
  let inARow = 0;
  await waitFor(`certificate ${name}`, async () => {
    const server = await tlsGet(port, '/').then(
      (reply) => reply.server,
      () => '',
    );
    inARow = server === name ? inARow + 1 : 0;
    return inARow >= 8;
  });
}

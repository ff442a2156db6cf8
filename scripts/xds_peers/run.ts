/**
 * Runs a proxy against go-control-plane: `npm run xds:peers -- [--transport sotw,delta,grpc,delta-grpc,rest] [--only TEXT]
 * [--proxy nuncio|envoy] [--concurrency 2]`. Needs Go. One line a scenario and transport; ends with 1 when any fails.
 */
import { parseArgs } from 'node:util';
import { buildPlane } from './go_plane.ts';
import { type Transport, transports } from './resources.ts';
import { scenarios } from './scenarios.ts';

const { values: args } = parseArgs({
  options: {
    transport: { type: 'string', default: 'sotw,delta' },
    only: { type: 'string', default: '' },
    proxy: { type: 'string', default: 'nuncio' },
    concurrency: { type: 'string', default: '2' },
  },
});

buildPlane();
let failed = 0;
console.log(`${args.proxy}, concurrency ${args.concurrency}\n\n| scenario | transport | figures |\n|---|---|---|`);
for (const transport of args.transport.split(',') as Transport[]) {
  if (!transports.includes(transport)) throw new Error(`no transport ${transport}`);
  for (const { name, run } of scenarios) {
    if (!name.includes(args.only)) continue;
    const options = { transport, proxy: args.proxy, concurrency: Number(args.concurrency) };
    const outcome = await run(options).catch((error: Error) => {
      failed++;
      return `**failed**: ${error.message}`;
    });
    console.log(`| ${name} | ${transport} | ${outcome} |`);
  }
}
process.exit(failed > 0 ? 1 : 0);

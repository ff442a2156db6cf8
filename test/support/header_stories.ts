/** Sequences of header lists as one connection carries them: most fields come again, some change slowly, some are new each time. */
import type { Random } from './random.ts';

const PATHS = ['/', '/index.html', '/api/v1/users/', '/static/app.js?v=', '/grpc.health.v1.Health/Check', '/search?q='];
const STEADY: readonly (readonly [string, readonly string[]])[] = [
  [
    'user-agent',
    ['curl/8.9.1', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'grpc-node-js/1.11'],
  ],
  ['accept', ['*/*', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json']],
  ['accept-encoding', ['gzip, deflate', 'gzip, deflate, br, zstd', 'identity']],
  ['accept-language', ['en-US,en;q=0.5', 'de']],
  ['te', ['trailers']],
  ['content-type', ['application/grpc', 'application/json', 'text/html; charset=utf-8']],
  ['x-team_name', ['a', 'b']],
  ['cache-control', ['no-cache', 'max-age=3600', '']],
];
const CHANGING = ['x-request-id', 'traceparent', 'etag', 'if-none-match', 'x-forwarded-for', 'date', 'last-modified'];
const ODD_CHARACTERS = '\t !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~\x80\xa0\xe9\xff';

export interface RequestStory {
  method: string;
  path: string;
  fields: [string, string][];
}

function odd(random: Random): string {
  const core = Array.from({ length: random.int(60) }, () => random.pick([...ODD_CHARACTERS])).join('');
  return `a${core}z`;
}

function text(random: Random, length: number): string {
  return Array.from({ length }, () => random.int(36).toString(36)).join('');
}

/** Fields without pseudo-header fields, in some order. */
export function storyFields(random: Random): [string, string][] {
  const fields: [string, string][] = [];
  for (const [name, values] of STEADY)
    if (random.chance(0.7)) fields.push([name, random.chance(0.8) ? values[0] : random.pick(values)]);
  for (const name of CHANGING) if (random.chance(0.3)) fields.push([name, text(random, 8 + random.int(40))]);
  if (random.chance(0.3)) fields.push(['authorization', `Bearer ${text(random, 30)}`]);
  if (random.chance(0.3))
    fields.push(['cookie', random.chance(0.5) ? 'a=1' : `session=${random.int(3)}${'s'.repeat(40)}`]);
  if (random.chance(0.2)) fields.push([`x-new-${text(random, 1 + random.int(50))}`, odd(random)]);
  if (random.chance(0.05)) fields.push(['x-large', text(random, 3000 + random.int(3000))]);
  if (random.chance(0.1)) for (let i = 0; i < 5; i++) fields.push([`x-burst-${i}`, text(random, 200)]);
  if (random.chance(0.2)) fields.reverse();
  return fields;
}

export function requestStory(random: Random): RequestStory {
  const path = random.pick(PATHS);
  return {
    method: random.pick(['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE']),
    path: path.endsWith('/') || path.endsWith('=') ? path + (random.chance(0.5) ? text(random, 5) : '') : path,
    fields: storyFields(random),
  };
}

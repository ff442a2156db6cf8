/** Which folder may import which: the one-way directions of the layout, each with the reason a reader needs when it fails. */

/** The part of the repository a file belongs to, as the rules name it. */
export type Area = string;

const control = ['config', 'xds', 'dns', 'health', 'control'];
const data = ['net', 'listener', 'http', 'router', 'upstream', 'grpc', 'tcp', 'udp', 'worker'];
const shared = ['native-free', 'api', 'common', 'spi'];
const path = [...shared, 'net', 'snapshot/layout'];

/** Area → areas it may import, besides itself. A name missing here is an area without a rule, which is an error. */
export const directions: Record<Area, readonly Area[]> = {
  'native-free': [],
  api: ['native-free'],
  common: ['native-free', 'api', 'spi'],
  spi: [...shared, ...data, 'snapshot/layout', 'snapshot/packed'],
  net: ['native-free', 'common', 'spi'],
  listener: path,
  http: [...path, 'router'],
  router: [...path, 'upstream'],
  upstream: path,
  grpc: [...path, 'upstream'],
  tcp: [...path, 'upstream'],
  udp: [...path, 'upstream'],
  worker: [...shared, ...data, 'snapshot/layout', 'snapshot/packed', 'snapshot/reader', 'extensions'],
  'snapshot/layout': shared,
  'snapshot/packed': ['snapshot/layout'],
  'snapshot/reader': [...shared, 'snapshot/layout'],
  'snapshot/publisher': [...shared, 'snapshot/layout', 'snapshot/slots'],
  'snapshot/slots': [...shared, 'snapshot/layout'],
  config: [...shared, 'snapshot/layout', 'extensions'],
  xds: [...shared, ...control, 'snapshot/layout', 'snapshot/publisher', 'extensions'],
  dns: [...shared, 'snapshot/layout'],
  health: [...shared, 'snapshot/layout'],
  control: [...shared, ...control, 'snapshot/layout', 'snapshot/packed', 'snapshot/publisher', 'extensions'],
  main: ['common', 'config', 'control'],
  index: [...shared, 'control', 'config'],
  extensions: ['extension', ...shared],
  extension: [...shared, 'net', 'snapshot/layout'],
};

/** The one engine of the data path an extension plugs into. */
export const engines: Record<string, Area> = {
  'filters/network/http_connection_manager': 'http',
  'filters/network/tcp_proxy': 'tcp',
  'filters/http/router': 'router',
  'transport_sockets/tls': 'net',
};

/** Imports that must be `import type`: spi holds no code of others, http is handed its route table, a filter its connection. */
export function typeOnly(from: Area, to: Area): boolean {
  if (from === 'spi') return true;
  return (
    (from === 'common' && to === 'spi') ||
    (from === 'http' && to === 'router') ||
    (from === 'extension' && to === 'net')
  );
}

/** Node modules whose code only some areas may use; their types, and everything else of Node, are free outside native-free. */
export const nodeModules: Record<string, { areas: readonly Area[]; reason: string }> = {
  net: {
    areas: ['net', 'control', 'xds', 'health'],
    reason:
      'sockets are made in src/net alone (the main thread: in src/control, xds and health), so that every one has an error listener',
  },
  tls: {
    areas: ['net', 'xds', 'health'],
    reason: 'TLS is spoken in src/net alone (the main thread: towards control planes), so that contexts are made once',
  },
  http: {
    areas: ['control', 'xds', 'health'],
    reason: 'the data path has its own codecs: node:http costs five times as much',
  },
  https: { areas: ['control', 'xds', 'health'], reason: 'the data path has its own codecs' },
  http2: { areas: ['control', 'xds', 'health'], reason: 'the data path has its own codecs' },
  dns: { areas: ['dns'], reason: 'names are resolved on the main thread, by src/dns' },
  dgram: { areas: ['net'], reason: 'sockets are made in src/net alone' },
};

/** Why an import from one area into another is refused. */
export function reason(from: Area, to: Area): string {
  if (from === 'native-free')
    return 'native-free is the leaf: bytes in, events out, usable without Node and without src/';
  if (control.includes(from) && isDataSide(to))
    return 'the control side never imports the data side: it runs on another thread';
  if (isDataSide(from) && control.includes(to))
    return 'the data side never imports the control side: it runs on another thread';
  if (from === 'extension' && to === 'extension')
    return 'an extension does not lean on another one: share through common or spi';
  if (from === 'extension')
    return 'an extension sees spi, api, common, native-free and its one engine (engines in import_rules.ts)';
  const allowed = directions[from];
  return `${from} may import only ${allowed.length === 0 ? 'itself' : allowed.join(', ')}`;
}

/** True for what runs on workers: the folders a worker composes. */
export function isDataSide(area: Area): boolean {
  return data.includes(area) || area === 'snapshot/reader';
}

/** True for what runs on the main thread only. */
export function isControlSide(area: Area): boolean {
  return control.includes(area) || area === 'main' || area === 'index' || area === 'snapshot/publisher';
}

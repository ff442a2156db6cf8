/** For tests of configuration: a front proxy to put pieces into, and what loading it says, as text. */
import { type LoadedBootstrap, loadBootstrap } from './load.ts';
import { renderDiagnostic } from './render.ts';

/** Texts that replace those of a plain front proxy with one route to one cluster `backend`. */
export interface Pieces {
  manager?: string;
  routes?: string;
  filters?: string;
  cluster?: string;
  more?: string;
}

export function frontProxy(pieces: Pieces = {}): string {
  const {
    manager = '',
    routes = '[{ match: { prefix: / }, route: { cluster: backend } }]',
    filters = '[{ name: envoy.filters.http.router }]',
    cluster = 'connect_timeout: 1s',
    more = '',
  } = pieces;
  return `static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          ${manager}
          http_filters: ${filters}
          route_config:
            virtual_hosts:
            - { name: v, domains: ['*'], routes: ${routes} }
  clusters:
  - name: backend
    ${cluster}
${more}`;
}

export function load(yaml: string): LoadedBootstrap {
  return loadBootstrap({ yaml });
}

/** The errors as they are shown, without the file's name and without the paths (but with them when `paths` is set). */
export function errorsOf(yaml: string, paths = false): string[] {
  return load(yaml).errors.map((error) => shown(renderDiagnostic(error), paths));
}

export function warningsOf(yaml: string): string[] {
  return load(yaml).warnings.map((warning) => shown(renderDiagnostic(warning), false));
}

function shown(text: string, paths: boolean): string {
  const lines = text.replace('--config-yaml:', '').split('\n');
  return (paths ? lines : lines.filter((line) => !line.startsWith('  at '))).join('\n');
}

/** The Gateway API documents of the scenarios: what a team that runs Envoy Gateway writes. */
import type { Json } from '../../test/support/bootstrap.ts';

const gatewayApi = 'gateway.networking.k8s.io/v1';
const envoyApi = 'gateway.envoyproxy.io/v1alpha1';

function document(apiVersion: string, kind: string, name: string, spec: Json): Json {
  return { apiVersion, kind, metadata: { name, namespace: 'default' }, spec };
}

export const gatewayClass: Json = {
  apiVersion: gatewayApi,
  kind: 'GatewayClass',
  metadata: { name: 'eg' },
  spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' },
};

export interface GatewayListener {
  readonly name: string;
  readonly protocol: 'HTTP' | 'TCP';
  readonly port: number;
}

export function gateway(listeners: readonly GatewayListener[]): Json {
  const allowed = { namespaces: { from: 'All' } };
  const spec = listeners.map((listener) => ({ ...listener, allowedRoutes: allowed }));
  return document(gatewayApi, 'Gateway', 'eg', { gatewayClassName: 'eg', listeners: spec });
}

export function backend(name: string, port: number): Json {
  return document(envoyApi, 'Backend', name, { endpoints: [{ ip: { address: '127.0.0.1', port } }] });
}

export function backendRef(name: string, weight?: number): Json {
  return { group: 'gateway.envoyproxy.io', kind: 'Backend', name, ...(weight === undefined ? {} : { weight }) };
}

/** On the listener of this name, or all. */
export function httpRoute(name: string, rules: Json[], sectionName?: string): Json {
  const parent = sectionName === undefined ? { name: 'eg' } : { name: 'eg', sectionName };
  return document(gatewayApi, 'HTTPRoute', name, { parentRefs: [parent], rules });
}

export function tcpRoute(name: string, sectionName: string, refs: Json[]): Json {
  return document(gatewayApi, 'TCPRoute', name, {
    parentRefs: [{ name: 'eg', sectionName }],
    rules: [{ backendRefs: refs }],
  });
}

export function prefix(value: string): Json[] {
  return [{ path: { type: 'PathPrefix', value } }];
}

/** One rule of every kind that plain routing has; everything else goes where `rest` says. */
export function everyKind(rest: Json[]): Json[] {
  return [
    {
      matches: [
        {
          path: { type: 'Exact', value: '/exact' },
          headers: [{ name: 'x-a', value: '1' }],
          queryParams: [{ name: 'q', value: 'v' }],
          method: 'GET',
        },
      ],
      backendRefs: [backendRef('green')],
    },
    { matches: [{ path: { type: 'RegularExpression', value: '/re/[0-9]+' } }], backendRefs: [backendRef('green')] },
    { matches: prefix('/weighted'), backendRefs: [backendRef('blue', 3), backendRef('green', 1)] },
    {
      matches: prefix('/rewrite'),
      filters: [
        {
          type: 'URLRewrite',
          urlRewrite: {
            hostname: 'other.example',
            path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
          },
        },
        { type: 'RequestHeaderModifier', requestHeaderModifier: { add: [{ name: 'x-added', value: 'yes' }] } },
        { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-set', value: 's' }] } },
      ],
      backendRefs: [backendRef('blue')],
    },
    {
      matches: prefix('/redirect'),
      filters: [
        {
          type: 'RequestRedirect',
          requestRedirect: { scheme: 'https', hostname: 'secure.example', statusCode: 301 },
        },
      ],
    },
    {
      matches: prefix('/mirror'),
      filters: [{ type: 'RequestMirror', requestMirror: { backendRef: backendRef('green') } }],
      backendRefs: [backendRef('blue')],
    },
    {
      matches: prefix('/timeout'),
      timeouts: { request: '5s', backendRequest: '2s' },
      retry: { attempts: 2, codes: [503], backoff: '100ms' },
      backendRefs: [backendRef('blue')],
    },
    {
      matches: prefix('/direct'),
      filters: [
        {
          type: 'ExtensionRef',
          extensionRef: { group: 'gateway.envoyproxy.io', kind: 'HTTPRouteFilter', name: 'direct' },
        },
      ],
    },
    { matches: prefix('/'), backendRefs: rest },
  ];
}

export const directResponse: Json = document(envoyApi, 'HTTPRouteFilter', 'direct', {
  directResponse: { contentType: 'text/plain', statusCode: 418, body: { type: 'Inline', inline: 'teapot' } },
});

/** Connection limit, spelling of names, early headers, keepalive. */
export const clientTraffic: Json = document(envoyApi, 'ClientTrafficPolicy', 'clients', {
  targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', sectionName: 'http' }],
  connection: { connectionLimit: { value: 1000, closeDelay: '1s' }, bufferLimit: '64Ki' },
  http1: { preserveHeaderCase: true, enableTrailers: true },
  headers: { earlyRequestHeaders: { add: [{ name: 'x-early', value: 'e' }], remove: ['x-drop'] } },
  timeout: { http: { idleTimeout: '300s', requestReceivedTimeout: '30s' } },
  tcpKeepalive: { probes: 3, idleTime: '60s', interval: '10s' },
});

/** Round robin, retries, timeouts, circuit breakers. */
export const backendTraffic: Json = document(envoyApi, 'BackendTrafficPolicy', 'backends', {
  targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'web' }],
  loadBalancer: { type: 'RoundRobin' },
  retry: {
    numRetries: 3,
    retryOn: { triggers: ['connect-failure', 'reset'], httpStatusCodes: [502] },
    perRetry: { timeout: '1s', backOff: { baseInterval: '50ms', maxInterval: '500ms' } },
  },
  timeout: { tcp: { connectTimeout: '2s' }, http: { connectionIdleTimeout: '60s' } },
  circuitBreaker: { maxConnections: 2048, maxPendingRequests: 2048 },
});

/** One HTTP health check of one host (control path: health): the request Envoy sends, and what its answer means. */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { envoy } from '../api/envoy_types.ts';
import { compileStringMatcher, type StringMatcher } from '../common/matchers/string_matcher.ts';
import type { Address } from '../common/stream_info.ts';
import type { CheckOutcome } from './check_state.ts';

type HttpHealthCheck = envoy.config.core.v3.HealthCheck_HttpHealthCheck;

export interface HttpCheckTarget {
  readonly address: Address;
  /** The endpoint's hostname for health checks; may be empty. */
  readonly hostname: string;
  /** Undefined: plain text. */
  readonly tls: ConnectionOptions | undefined;
}

export interface HttpCheckOptions {
  readonly message: HttpHealthCheck;
  readonly clusterName: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly reuseConnection: boolean;
  /** An answer named another service than this cluster's: counted as verify_cluster. */
  readonly onOtherService: () => void;
}

/** envoy.config.core.v3.RequestMethod. */
const methods = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export class HttpCheck {
  private readonly target: HttpCheckTarget;
  private readonly options: HttpCheckOptions;
  private readonly headers: Record<string, string>;
  private readonly agent: Agent;
  private readonly service: StringMatcher | undefined;
  private request: ClientRequest | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(target: HttpCheckTarget, options: HttpCheckOptions) {
    this.target = target;
    this.options = options;
    const { message, clusterName, reuseConnection } = options;
    const agentOptions = { keepAlive: reuseConnection, maxSockets: 1, maxFreeSockets: 1 };
    this.agent = target.tls === undefined ? new Agent(agentOptions) : new HttpsAgent(agentOptions);
    this.headers = headersOf(message, target.hostname || message.host || clusterName);
    this.service =
      message.serviceNameMatcher === undefined ? undefined : compileStringMatcher(message.serviceNameMatcher);
  }

  /** Sends one check; `done` is called once, later. */
  run(done: (outcome: CheckOutcome) => void): void {
    let over = false;
    const finish = (outcome: CheckOutcome): void => {
      if (over) return;
      over = true;
      clearTimeout(this.timer);
      if (outcome === 'timeout' || outcome === 'network failure') this.request?.destroy();
      this.request = undefined;
      done(outcome);
    };
    const { address, tls } = this.target;
    const { message, timeout } = this.options;
    const options = {
      agent: this.agent,
      method: methods[message.method] ?? 'GET',
      path: message.path,
      headers: this.headers,
      // Nothing but what Envoy sends.
      setDefaultHeaders: false,
      ...(address.ip === '' ? { socketPath: address.text } : { host: address.ip, port: address.port }),
    };
    const request = tls === undefined ? httpRequest(options) : httpsRequest({ ...options, ...tls });
    this.request = request;
    this.timer = setTimeout(() => finish('timeout'), timeout);
    request.on('error', () => finish('network failure'));
    request.on('response', (response: IncomingMessage) => {
      response.on('error', () => finish('network failure'));
      response.resume();
      response.on('end', () => finish(this.judge(response)));
      response.on('aborted', () => finish('network failure'));
    });
    request.end();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.request?.destroy();
    this.agent.destroy();
  }

  private judge({ statusCode = 0, headers }: IncomingMessage): CheckOutcome {
    const { expectedStatuses, retriableStatuses } = this.options.message;
    const expected = expectedStatuses.length === 0 ? statusCode === 200 : within(expectedStatuses, statusCode);
    if (!expected) return within(retriableStatuses, statusCode) ? 'retriable' : 'unhealthy';
    if (this.service !== undefined) {
      const service = headers['x-envoy-upstream-healthchecked-cluster'];
      if (typeof service !== 'string' || !this.service.matches(service)) {
        this.options.onOtherService();
        return 'unhealthy';
      }
    }
    return headers['x-envoy-degraded'] === undefined ? 'healthy' : 'degraded';
  }
}

/** Ranges are half open. */
function within(ranges: readonly envoy.type.v3.Int64Range[], status: number): boolean {
  return ranges.some(({ start, end }) => BigInt(status) >= start && BigInt(status) < end);
}

function headersOf(message: HttpHealthCheck, host: string): Record<string, string> {
  const headers: Record<string, string> = { host, 'user-agent': 'Envoy/HC' };
  for (const { header } of message.requestHeadersToAdd) {
    if (header !== undefined) headers[header.key.toLowerCase()] = header.value;
  }
  for (const name of message.requestHeadersToRemove) delete headers[name.toLowerCase()];
  return headers;
}

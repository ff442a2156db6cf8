/** The header names that Envoy keeps as one value: repeated fields of theirs are joined with `,` (header edits, formats). */
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';

const names = (text: string): HeaderName[] => text.split(' ').map(headerName);

const both = names(
  'connection content-length content-type keep-alive proxy-connection x-request-id transfer-encoding upgrade via ' +
    'x-envoy-attempt-count x-envoy-decorator-operation cache-control content-encoding',
);

/** Inline in requests; seen on Envoy 1.40. */
export const inlineRequestHeaders: ReadonlySet<HeaderName> = new Set([
  ...both,
  ...names(
    'accept accept-encoding access-control-request-headers access-control-request-method ' +
      'access-control-request-private-network authorization cdn-loop expect grpc-accept-encoding grpc-timeout if-match ' +
      'if-modified-since if-none-match if-range if-unmodified-since origin pragma referer te user-agent ' +
      'x-client-trace-id x-envoy-downstream-service-cluster x-envoy-downstream-service-node ' +
      'x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace x-envoy-hedge-on-per-try-timeout ' +
      'x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry x-envoy-max-retries x-envoy-original-host ' +
      'x-envoy-original-path x-envoy-original-url x-envoy-retriable-header-names x-envoy-retriable-status-codes ' +
      'x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name ' +
      'x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response ' +
      'x-envoy-upstream-rq-timeout-ms x-envoy-upstream-stream-duration-ms x-forwarded-client-cert x-forwarded-for ' +
      'x-forwarded-host x-forwarded-port x-forwarded-proto',
  ),
]);

/** Inline in responses; seen on Envoy 1.40. */
export const inlineResponseHeaders: ReadonlySet<HeaderName> = new Set([
  ...both,
  ...names(
    'access-control-allow-credentials access-control-allow-headers access-control-allow-methods ' +
      'access-control-allow-origin access-control-allow-private-network access-control-expose-headers ' +
      'access-control-max-age age date etag expires grpc-message grpc-status last-modified location proxy-status server ' +
      'vary x-envoy-degraded x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary ' +
      'x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time',
  ),
]);

/** Values whose meaning lies outside of the schema (control path, step 2): regexes, files, headers that may not be touched. */
import { existsSync, statSync } from 'node:fs';
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { cidrProblem } from '../common/cidr.ts';
import { checkHeaderToAdd, isProtectedHeader } from '../common/formatter/header_value.ts';
import { compileSubstitutionFormat } from '../common/formatter/substitution_format.ts';
import { checkHttp2Options } from '../common/http2_options.ts';
import { checkRegex } from '../common/regex.ts';
import { tagProblem } from '../common/stats/tag_extraction.ts';
import { checkGoogleGrpc } from './check_google_grpc.ts';
import { checkHeaderMutations } from './check_header_mutations.ts';
import { checkHttpManager, checkXffConfig } from './check_http_manager.ts';
import type { Report } from './report.ts';

type Check = (message: never, report: Report) => void;

const notOfRe2 = /\(\?<?[=!]|\\[1-9]/;

/** By message type: called for every message of that type, wherever it stands. */
const valueChecks: { readonly [typeName: string]: Check | undefined } = {
  'envoy.type.matcher.v3.RegexMatcher': (message: envoy.type.matcher.v3.RegexMatcher, report) => {
    if (message.regex === '') return;
    const problem = checkRegex(message.regex);
    if (problem === undefined) return;
    const hint = 'expressions are of RE2, without look-ahead, look-behind and back-references';
    report.errorIn(message, 'regex', problem, notOfRe2.test(message.regex) ? hint : undefined);
  },
  'envoy.config.core.v3.SocketAddress': (message: envoy.config.core.v3.SocketAddress, report) => {
    if (message.networkNamespaceFilepath === '') return;
    const reason = "'network_namespace_filepath' is not supported: Node.js cannot enter a network namespace";
    report.errorIn(message, 'network_namespace_filepath', reason, 'start nuncio inside of it: ip netns exec');
  },
  'envoy.config.core.v3.BindConfig': (message: envoy.config.core.v3.BindConfig, report) => {
    const { freebind, socketOptions } = message;
    if (freebind) report.errorIn(message, 'freebind', "'freebind' is not supported: Node.js cannot set IP_FREEBIND");
    if (socketOptions.length === 0) return;
    const reason = "'socket_options' is not supported: Node.js cannot set options of a socket before it connects";
    report.errorIn(message, 'socket_options', reason);
  },
  'envoy.config.core.v3.DataSource': (message: envoy.config.core.v3.DataSource, report) => {
    const { specifier } = message;
    if (specifier.case === 'filename' && specifier.value !== '' && !existsSync(specifier.value)) {
      report.errorIn(message, 'filename', `file ${specifier.value} does not exist`);
    }
    if (specifier.case === 'environmentVariable' && process.env[specifier.value] === undefined) {
      report.errorIn(message, 'environment_variable', `Environment variable doesn't exist: ${specifier.value}`);
    }
  },
  'envoy.config.core.v3.HeaderValueOption': (message: envoy.config.core.v3.HeaderValueOption, report) => {
    checkHeaderToAdd(message, (field, reason) => report.errorIn(message, field, reason));
  },
  'envoy.config.core.v3.SubstitutionFormatString': (message: envoy.config.core.v3.SubstitutionFormatString, report) => {
    const format = compileSubstitutionFormat(message);
    if ('error' in format) report.errorIn(message, format.path, format.error);
  },
  'envoy.config.metrics.v3.TagSpecifier': (message: envoy.config.metrics.v3.TagSpecifier, report) => {
    const problem = tagProblem(message);
    if (problem !== undefined)
      report.errorIn(message, message.tagValue.case === 'regex' ? 'regex' : 'tag_name', problem);
  },
  'envoy.config.core.v3.GrpcService.GoogleGrpc': checkGoogleGrpc,
  'envoy.extensions.filters.http.header_mutation.v3.Mutations': checkHeaderMutations,
  'envoy.config.core.v3.CidrRange': (message: envoy.config.core.v3.CidrRange, report) => {
    const problem = cidrProblem(message);
    if (problem !== undefined) report.errorIn(message, 'address_prefix', problem);
  },
  'envoy.config.core.v3.Http2ProtocolOptions': (message: envoy.config.core.v3.Http2ProtocolOptions, report) => {
    checkHttp2Options(message, (field, reason) => report.errorIn(message, field, reason));
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': checkHttpManager,
  'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig': checkXffConfig,
  'envoy.config.route.v3.RouteConfiguration': (message: envoy.config.route.v3.RouteConfiguration, report) => {
    checkRemoved(message, report);
    const limit = message.maxDirectResponseBodySizeBytes ?? 4096;
    for (const host of message.virtualHosts) for (const route of host.routes) checkBody(route, limit, report);
  },
  'envoy.config.route.v3.VirtualHost': checkRemoved,
  'envoy.config.route.v3.Route': checkRemoved,
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': checkRemoved,
};

export function checkValues(message: AnyMessage, report: Report): void {
  valueChecks[message.$typeName]?.(message as never, report);
}

interface RemovesHeaders {
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToRemove: readonly string[];
}

function checkRemoved(message: RemovesHeaders, report: Report): void {
  for (const [field, names] of [
    ['request_headers_to_remove', message.requestHeadersToRemove],
    ['response_headers_to_remove', message.responseHeadersToRemove],
  ] as const) {
    names.forEach((name, i) => {
      if (isProtectedHeader(name))
        report.errorIn(message, `${field}[${i}]`, ':-prefixed or host headers may not be removed');
    });
  }
}

function checkBody(route: envoy.config.route.v3.Route, limit: number, report: Report): void {
  if (route.action.case !== 'directResponse') return;
  const size = bodySize(route.action.value.body);
  if (size > limit) {
    report.errorIn(route, 'direct_response.body', `response body size is ${size} bytes; maximum is ${limit}`);
  }
}

function bodySize(body: envoy.config.core.v3.DataSource | undefined): number {
  switch (body?.specifier.case) {
    case 'inlineString':
      return Buffer.byteLength(body.specifier.value);
    case 'inlineBytes':
      return body.specifier.value.length;
    case 'filename':
      return statSync(body.specifier.value, { throwIfNoEntry: false })?.size ?? 0;
    default:
      return 0;
  }
}

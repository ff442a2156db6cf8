/** The methods that a configuration transcodes, with the rules that lead to them. */
import type { DescField, DescMessage, DescMethod, DescService, FileRegistry } from '@bufbuild/protobuf';
import type { envoy } from '../../../../api/envoy_types.ts';
import { type HttpRule, httpRuleOf, readDescriptorSet } from './descriptor_set.ts';
import { resolveFieldPath } from './field_path.ts';
import { PathMatcher } from './path_matcher.ts';
import { parsePathTemplate } from './path_template.ts';
import { everyCharacter, exceptReserved, exceptSlash } from './url_unescape.ts';

type Message = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder;

export interface TranscodedMethod {
  /** `/<service>/<method>` */
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  /** The field that is a google.api.HttpBody, from the message down; empty: the message is one. Undefined: there is none. */
  readonly requestHttpBody: readonly DescField[] | undefined;
  readonly responseHttpBody: readonly DescField[] | undefined;
}

export interface TranscodedMethods {
  readonly registry: FileRegistry;
  readonly matcher: PathMatcher<TranscodedMethod>;
}

const httpBodyType = 'google.api.HttpBody';
const unescapes = [exceptReserved, exceptSlash, everyCharacter];
const byKind = { get: 'GET', put: 'PUT', post: 'POST', delete: 'DELETE', patch: 'PATCH' } as const;

/** Undefined when the configuration names no services: then the filter is off. Throws in Envoy's words. */
export function compileMethods(message: Message): TranscodedMethods | undefined {
  if (message.services.length === 0) return undefined;
  const registry = readDescriptorSet(message);
  const matcher = new PathMatcher<TranscodedMethod>({
    unescape: unescapes[message.urlUnescapeSpec],
    unescapePlus: message.queryParamUnescapePlus,
    matchUnregisteredVerb: message.matchUnregisteredCustomVerb,
    ignoredParameters: new Set(message.ignoredQueryParameters),
  });
  for (const name of message.services) {
    const service = registry.getService(name);
    if (service === undefined) throw new Error(`transcoding_filter: Could not find '${name}' in the proto descriptor`);
    addService(service, message.autoMapping, matcher);
  }
  return { registry, matcher };
}

function addService(service: DescService, autoMapping: boolean, matcher: PathMatcher<TranscodedMethod>): void {
  for (const method of service.methods) {
    const path = `/${service.typeName}/${method.name}`;
    const rule = httpRuleOf(method) ?? (autoMapping ? ruleOfPath(path) : undefined);
    if (rule === undefined) continue;
    const target = methodOf(method, path, rule);
    if (!addRule(rule, target, matcher)) {
      throw new Error(`transcoding_filter: Cannot register '${service.typeName}.${method.name}' to path matcher`);
    }
  }
}

function ruleOfPath(path: string): HttpRule {
  return { pattern: { case: 'post', value: path }, body: '*', responseBody: '', additionalBindings: [] };
}

function addRule(rule: HttpRule, target: TranscodedMethod, matcher: PathMatcher<TranscodedMethod>): boolean {
  const { pattern, body } = rule;
  if (pattern.case !== undefined) {
    const custom = pattern.case === 'custom';
    const template = parsePathTemplate(custom ? pattern.value.path : pattern.value);
    if (template === undefined) return false;
    if (!matcher.add(custom ? pattern.value.kind : byKind[pattern.case], { template, target, body })) return false;
  }
  return rule.additionalBindings.every((more) => addRule(more, target, matcher));
}

function methodOf(method: DescMethod, path: string, rule: HttpRule): TranscodedMethod {
  const { input, output, methodKind: kind } = method;
  const refuse = (reason: string): never => {
    throw new Error(`transcoding_filter: Cannot register '${method.parent.typeName}.${method.name}': ${reason}`);
  };
  const requestHttpBody = httpBodyAt(input, rule.body, refuse);
  const responseHttpBody = httpBodyAt(output, rule.responseBody, refuse);
  if (rule.responseBody !== '' && responseHttpBody === undefined) {
    refuse(
      `Setting "response_body" is not supported yet for non-HttpBody fields: ${method.parent.typeName}.${method.name}`,
    );
  }
  return {
    path,
    input,
    output,
    clientStreaming: kind === 'client_streaming' || kind === 'bidi_streaming',
    serverStreaming: kind === 'server_streaming' || kind === 'bidi_streaming',
    requestHttpBody,
    responseHttpBody,
  };
}

function httpBodyAt(
  type: DescMessage,
  field: string,
  refuse: (reason: string) => never,
): readonly DescField[] | undefined {
  if (field === '' || field === '*') return type.typeName === httpBodyType ? [] : undefined;
  const path = resolveFieldPath(type, field.split('.'));
  if (typeof path === 'string') return refuse(path);
  return path[path.length - 1].message?.typeName === httpBodyType ? path : undefined;
}

/** A configuration of the transcoder compiled: of the filter, or of a route that has one of its own. */
import type { RequestHead } from '../../../../../native-free/headers/header_map.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { registry as apiRegistry, messageType } from '../../../../api/registry.ts';
import { BindingTree } from './bindings.ts';
import { resolveFieldPath } from './field_path.ts';
import type { UnknownParameters } from './http_body.ts';
import type { WriteOptions } from './json_to_proto.ts';
import { compileMethods, type TranscodedMethod, type TranscodedMethods } from './methods.ts';
import { JsonPrinter } from './proto_to_json.ts';

type Message = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder;

/** A request as its method takes it. */
export interface TranscodedRequest {
  readonly method: TranscodedMethod;
  /** The rule's word on where the body belongs; empty and `*`: it is the message. */
  readonly body: string;
  readonly bindings: BindingTree;
  readonly unknown: UnknownParameters;
}

/** Why a request is none of ours. */
export interface Untranscoded {
  readonly reason: 'unknown_method' | 'unknown_parameters';
  readonly text: string;
}

export type StreamForm = 'list' | 'lines' | 'sse';

export class TranscoderConfig {
  readonly message: Message;
  readonly printer: JsonPrinter;
  readonly writeOptions: WriteOptions;
  readonly streamForm: StreamForm;
  private readonly methods: TranscodedMethods | undefined;

  constructor(message: Message) {
    this.message = message;
    this.methods = compileMethods(message);
    const registry = this.methods?.registry ?? apiRegistry;
    this.printer = new JsonPrinter(registry, message.printOptions);
    const validation = message.requestValidationOptions;
    this.writeOptions = {
      registry,
      enumsInAnyCase: message.caseInsensitiveEnumParsing,
      rejectCollisions: validation?.rejectBindingBodyFieldCollisions ?? false,
    };
    const print = message.printOptions;
    this.streamForm = print?.streamSseStyleDelimited ? 'sse' : print?.streamNewlineDelimited ? 'lines' : 'list';
  }

  get disabled(): boolean {
    return this.methods === undefined;
  }

  find(head: RequestHead): TranscodedRequest | Untranscoded {
    const match = this.methods!.matcher.find(head.method, head.path);
    if (match === undefined) {
      const path = head.path.split('?')[0];
      return { reason: 'unknown_method', text: `Could not resolve ${path} to a method.` };
    }
    const { target: method, body } = match.rule;
    const bindings = new BindingTree();
    const unknown = new Map<string, string[]>();
    for (const { path, value } of match.bindings) {
      const fields = resolveFieldPath(method.input, path);
      if (typeof fields === 'string') {
        if (this.message.captureUnknownQueryParameters) addTo(unknown, path.join('.'), value);
        else if (!this.message.ignoreUnknownQueryParameters) return { reason: 'unknown_parameters', text: fields };
        continue;
      }
      // What is inside an HttpBody comes with the body alone.
      const inBody = method.requestHttpBody?.every((field, i) => fields[i] === field);
      if (inBody !== true) bindings.add(fields, value);
    }
    return { method, body, bindings, unknown };
  }

  /** google.rpc.Status as JSON; undefined when it holds what the descriptors do not know. */
  printStatus(status: Uint8Array): string | undefined {
    return this.printer.print(messageType('google.rpc.Status'), status);
  }
}

function addTo(map: Map<string, string[]>, name: string, value: string): void {
  const values = map.get(name);
  if (values === undefined) map.set(name, [value]);
  else values.push(value);
}

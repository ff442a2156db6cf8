/** From the JSON of a request to messages with their prefixes. */
import type { DescField } from '@bufbuild/protobuf';
import type { Bytes } from '../../../../../native-free/bytes/bytes.ts';
import { frameMessage } from '../../../../../native-free/grpc/message_framing.ts';
import { BodyBuffer } from '../../../../common/body_buffer.ts';
import { BindingTree } from './bindings.ts';
import { resolveFieldPath } from './field_path.ts';
import { writeHttpBody } from './http_body.ts';
import { JsonElements } from './json_elements.ts';
import { writeMessage } from './json_to_proto.ts';
import { parseJson } from './json_tree.ts';
import type { TranscodedRequest, TranscoderConfig } from './transcoder_config.ts';

/** A client streaming upload goes on in messages of at most so many bytes: gRPC refuses larger ones than 4 MiB by default. */
const mostPieceBytes = 1024 * 1024;

export interface RequestTranslator {
  /** Bytes that are held until more have come. */
  readonly held: number;
  push(bytes: Bytes, start: number, end: number): void;
  finish(): void;
  /** What has been made since the last call. */
  take(): Buffer | undefined;
  /** Why the request is refused. */
  readonly fault: string | undefined;
}

export function makeRequestTranslator(
  request: TranscodedRequest,
  config: TranscoderConfig,
  contentType: string,
): RequestTranslator {
  if (request.method.requestHttpBody !== undefined) return new HttpBodyTranslator(request, config, contentType);
  return request.method.clientStreaming ? new StreamTranslator(request, config) : new UnaryTranslator(request, config);
}

abstract class Translator {
  fault: string | undefined;
  protected readonly request: TranscodedRequest;
  protected readonly config: TranscoderConfig;
  private readonly made: Uint8Array[] = [];

  constructor(request: TranscodedRequest, config: TranscoderConfig) {
    this.request = request;
    this.config = config;
  }

  take(): Buffer | undefined {
    return this.made.length === 0 ? undefined : Buffer.concat(this.made.splice(0));
  }

  protected send(message: Uint8Array): void {
    this.made.push(frameMessage(message));
  }

  protected translate(text: string, bindings: BindingTree): void {
    const { method, body } = this.request;
    const tree = parseJson(text);
    if ('fault' in tree) {
      this.fault = tree.fault;
      return;
    }
    const path = body === '' || body === '*' ? [] : resolveFieldPath(method.input, body.split('.'));
    const written = writeMessage(method.input, tree, path as DescField[], bindings, this.config.writeOptions);
    if ('fault' in written) this.fault = written.fault;
    else this.send(written.bytes);
  }
}

/** One message, of the whole body. */
class UnaryTranslator extends Translator implements RequestTranslator {
  private readonly body = new BodyBuffer();

  get held(): number {
    return this.body.size;
  }

  push(bytes: Bytes, start: number, end: number): void {
    this.body.add(bytes, start, end);
  }

  finish(): void {
    this.translate(this.body.take()?.toString('utf8') ?? '', this.request.bindings);
  }
}

/** A list, each element a message. */
class StreamTranslator extends Translator implements RequestTranslator {
  private readonly elements = new JsonElements();
  /** Path and query belong to the first message. */
  private bindings = this.request.bindings;

  get held(): number {
    return this.elements.held;
  }

  push(bytes: Bytes, start: number, end: number): void {
    if (this.fault !== undefined) return;
    const fault = this.elements.push(bytes, start, end, (text) => {
      this.translate(text, this.bindings);
      this.bindings = new BindingTree();
      return this.fault === undefined;
    });
    this.fault ??= fault;
  }

  finish(): void {
    this.fault ??= this.elements.finish();
  }
}

/** The body as it is, in a google.api.HttpBody. */
class HttpBodyTranslator extends Translator implements RequestTranslator {
  private readonly contentType: string;
  private body = new BodyBuffer();
  private started = false;

  constructor(request: TranscodedRequest, config: TranscoderConfig, contentType: string) {
    super(request, config);
    this.contentType = contentType;
  }

  get held(): number {
    return this.body.size;
  }

  push(bytes: Bytes, start: number, end: number): void {
    if (!this.request.method.clientStreaming) {
      this.body.add(bytes, start, end);
      return;
    }
    for (let at = start; at < end; at += mostPieceBytes) {
      this.body.add(bytes, at, Math.min(end, at + mostPieceBytes));
      this.flush();
    }
  }

  finish(): void {
    if (!this.started || this.body.size > 0) this.flush();
  }

  /** What the path says, then the HttpBody. Its message starts twice, which is one message with both parts in it. */
  private flush(): void {
    const { method, bindings, unknown } = this.request;
    const path = method.requestHttpBody!;
    const data = this.body.take() ?? new Uint8Array();
    if (this.started) {
      this.send(writeHttpBody(path, '', data, new Map()));
      return;
    }
    this.started = true;
    const written = writeMessage(method.input, undefined, path, bindings, this.config.writeOptions);
    if ('fault' in written) this.fault = written.fault;
    else this.send(Buffer.concat([written.bytes, writeHttpBody(path, this.contentType, data, unknown)]));
  }
}
